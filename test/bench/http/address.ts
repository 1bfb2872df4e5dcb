/** Where a measured server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Reads the URL of a server on this machine; the load of a benchmark is sent nowhere else.
 * @param name what the URL belongs to, for the message
 * @throws Error when it is not an http URL of a loopback address
 */
export function parseAddress(url: string, name: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const host = parsed ? loopbackHost(parsed.hostname) : null
  if (parsed?.protocol !== 'http:' || host === null) {
    throw new Error(
      `${name} is ${url}; it must be an http URL of this machine: 127.0.0.1, localhost or [::1]`,
    )
  }
  return { host, port: Number(parsed.port || 80) }
}

/** The address behind a loopback name, or null. The URL parser has normalised other spellings already. */
function loopbackHost(hostname: string): string | null {
  if (hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(hostname)) {
    return hostname === 'localhost' ? '127.0.0.1' : hostname
  }
  return hostname === '[::1]' ? '::1' : null
}

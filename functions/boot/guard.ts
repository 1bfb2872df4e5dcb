import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { type ApiKey, hashKey, KeyRing, parseApiKeys } from '../../shared/lib/api-keys.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import type { Logger } from '../../shared/lib/logger.ts'

const MAX_FILE_BYTES = 1024 * 1024
const FILE_VARIABLE = 'ESPALIER_API_KEYS_FILE'
/** Addresses that nobody on another machine can reach. */
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|::1)$/i

type GuardConfig = Pick<Config, 'apiKeys' | 'apiKeysFile' | 'adminToken'>

/**
 * The keys that callers must have; undefined where there are none. The admin token is one of them.
 * @throws EspalierError `invalid_config` naming the variable and the entry, never a key
 */
export async function loadKeys(config: GuardConfig): Promise<KeyRing | undefined> {
  const keys: ApiKey[] = []
  if (config.apiKeys !== undefined) keys.push(...parseApiKeys(config.apiKeys, 'ESPALIER_API_KEYS'))
  if (config.apiKeysFile !== undefined) {
    keys.push(...parseApiKeys(await readKeysFile(config.apiKeysFile), FILE_VARIABLE))
  }
  if (keys.length === 0) return undefined
  if (config.adminToken !== undefined) {
    const digest = hashKey(config.adminToken)
    keys.push({ name: 'ESPALIER_ADMIN_TOKEN', scopes: new Set(['admin']), digest })
  }
  return new KeyRing(keys)
}

async function readKeysFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes, the limit is 1 MiB`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${FILE_VARIABLE} cannot be read: ${reason}`
    throw new EspalierError('invalid_config', message, { param: FILE_VARIABLE, cause })
  }
}

/**
 * Refuses to let strangers in by mistake: beyond this machine a server listens with keys, or where that is meant.
 * @param isSealed nothing but a gateway can reach this machine, as on Lambda
 * @throws EspalierError `invalid_config`
 */
export function checkExposure(
  { host, open }: Pick<Config, 'host' | 'open'>,
  keys: KeyRing | undefined,
  isSealed: boolean,
  log: Logger,
): void {
  if (keys || isSealed || LOOPBACK.test(host)) return
  if (open === '1') {
    log.warn({ host }, 'no API keys: whoever reaches this address may call')
    return
  }
  throw new EspalierError(
    'invalid_config',
    `HOST ${host} is open to other machines and there are no API keys: set ESPALIER_API_KEYS ("espalier keys create" makes one), or ESPALIER_OPEN=1 where a gateway in front checks callers`,
    { param: 'HOST' },
  )
}

/**
 * Finds out that a port is in use before anything is loaded for a server on it. It is free again afterwards.
 * @throws EspalierError `invalid_config` naming both settings
 */
export async function checkPort(address: Pick<Config, 'host' | 'port'>): Promise<void> {
  const probe = createServer((caller) => caller.destroy())
  probe.listen({ ...address, exclusive: true })
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw cannotListen(address, cause)
  }
  const closed = once(probe, 'close')
  probe.close()
  await closed
}

/** What is wrong with the port and host of a server. */
export function cannotListen({ host, port }: Pick<Config, 'host' | 'port'>, cause: unknown): Error {
  const { code, message } = cause as NodeJS.ErrnoException
  const reason =
    code === 'EADDRINUSE'
      ? 'is in use by another program; stop that one, or set another PORT'
      : `cannot be listened on: ${message}`
  const text = `PORT ${port} on HOST ${host} ${reason}`
  return new EspalierError('invalid_config', text, { param: 'PORT', cause })
}

import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Secret } from '../../shared/aws/open-secret.ts'
import { hashKey, parseApiKeys } from '../../shared/lib/api-keys.ts'
import type { Clock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import { EVERY_OTHER_KEY } from '../../shared/lib/config/key-limits.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { type KeySource, LiveKeys } from '../../shared/lib/live-keys.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { nearestName } from '../../shared/lib/text/nearest.ts'

const MAX_FILE_BYTES = 1024 * 1024
const MAX_SECRET_BYTES = 64 * 1024
const FILE_VARIABLE = 'ESPALIER_API_KEYS_FILE'
const SECRET_VARIABLE = 'ESPALIER_API_KEYS_FROM'
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|::1)$/i

const LIMITS_VARIABLE = 'ESPALIER_KEY_LIMITS'

type GuardConfig = Pick<
  Config,
  'apiKeys' | 'apiKeysFile' | 'apiKeysFrom' | 'adminToken' | 'follow' | 'keyLimits'
>

/** What keys are read with. */
export interface KeyParts {
  /** Opens the secret of an ARN. */
  readonly openSecret: (arn: string) => Promise<Pick<Secret, 'read' | 'close'>>
  readonly clock: Clock
  readonly log: Logger
}

/**
 * The keys that callers must have; undefined where there are none. The admin token is one of them.
 * @throws EspalierError `invalid_config` naming the variable and the entry, never a key
 */
export async function loadKeys(
  config: GuardConfig,
  { openSecret, clock, log }: KeyParts,
): Promise<LiveKeys | undefined> {
  const { apiKeys, apiKeysFile, apiKeysFrom, adminToken, follow, keyLimits } = config
  const fixed = apiKeys === undefined ? [] : parseApiKeys(apiKeys, 'ESPALIER_API_KEYS')
  const sources: KeySource[] = []
  if (apiKeysFile !== undefined) sources.push(fileSource(apiKeysFile))
  if (apiKeysFrom !== undefined) {
    sources.push(secretSource(apiKeysFrom, await openSecret(apiKeysFrom)))
  }
  if (fixed.length + sources.length === 0) {
    if (keyLimits?.size) log.warn({ setting: LIMITS_VARIABLE }, 'no API keys: it limits nobody')
    return undefined
  }
  if (adminToken !== undefined) {
    const digest = hashKey(adminToken)
    fixed.push({ name: 'ESPALIER_ADMIN_TOKEN', scopes: new Set(['admin']), digest })
  }
  const keys = await LiveKeys.open({ fixed, sources, follow, clock, log })
  if (keys.size === 0) log.warn({ setting: SECRET_VARIABLE }, 'there are no API keys yet')
  checkLimits(keyLimits, keys.names, log)
  return keys
}

/** A limit for a key that is not there is told and no failure: the key may come later, from a secret or a file. */
function checkLimits(
  limits: GuardConfig['keyLimits'],
  names: readonly string[],
  log: Logger,
): void {
  for (const key of limits?.keys() ?? []) {
    if (key === EVERY_OTHER_KEY || names.includes(key)) continue
    const nearest = nearestName(key, names)
    const guess = nearest === null ? {} : { nearest }
    log.warn({ setting: LIMITS_VARIABLE, key, ...guess }, 'a limit is of a key that does not exist')
  }
}

function fileSource(path: string): KeySource {
  return {
    setting: FILE_VARIABLE,
    read: async () => parseApiKeys(await readKeysFile(path), FILE_VARIABLE),
    close() {},
  }
}

/** A secret may hold no keys: where the last one is revoked, nobody is let in. */
function secretSource(arn: string, secret: Pick<Secret, 'read' | 'close'>): KeySource {
  const fail = (why: string, cause?: unknown) =>
    new EspalierError('invalid_config', `${SECRET_VARIABLE} cannot be read: ${why}`, {
      param: SECRET_VARIABLE,
      cause,
    })
  return {
    setting: SECRET_VARIABLE,
    async read() {
      const reading = await secret.read().catch((cause: unknown) => {
        throw fail(cause instanceof Error ? cause.message : String(cause), cause)
      })
      if (reading === null) throw fail(`there is no ${arn}`)
      const bytes = Buffer.byteLength(reading.text)
      if (bytes > MAX_SECRET_BYTES) throw fail(`it has ${bytes} bytes, the limit is 64 KiB`)
      return parseApiKeys(reading.text, SECRET_VARIABLE, 0)
    },
    close: () => secret.close(),
  }
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

/** True for addresses that nobody on another machine can reach. */
function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/**
 * Refuses to let strangers in by mistake: beyond this machine a server listens with keys, or where that is meant.
 * @param isSealed nothing but a gateway can reach this machine, as on Lambda
 * @throws EspalierError `invalid_config`
 */
export function checkExposure(
  { host, open }: Pick<Config, 'host' | 'open'>,
  keys: LiveKeys | undefined,
  isSealed: boolean,
  log: Logger,
): void {
  if (keys || isSealed || isLoopback(host)) return
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

/** Names of this machine for itself. */
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/**
 * The hosts that a server answers as: those of the setting, or this machine's own names where it listens for itself
 * and asks for no keys. Null answers as any.
 * @param isSealed nothing but a gateway can reach this machine, as on Lambda
 */
export function chooseHosts(
  { host, hosts }: Pick<Config, 'host' | 'hosts'>,
  hasKeys: boolean,
  isSealed: boolean,
): readonly string[] | null {
  if (hosts !== undefined) return hosts.includes('*') ? null : [...hosts, ...LOCAL_HOSTS]
  if (hasKeys || isSealed || !isLoopback(host)) return null
  return [...new Set([...LOCAL_HOSTS, host.includes(':') ? `[${host}]` : host.toLowerCase()])]
}

/** @throws EspalierError `invalid_config` where every page may use the keys of whoever opens it */
export function checkOrigins({ corsOrigins }: Pick<Config, 'corsOrigins'>, hasKeys: boolean): void {
  if (!hasKeys || !corsOrigins?.includes('*')) return
  const message =
    'ESPALIER_CORS_ORIGINS is *, and there are API keys: name the origins of the pages that may call'
  throw new EspalierError('invalid_config', message, { param: 'ESPALIER_CORS_ORIGINS' })
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

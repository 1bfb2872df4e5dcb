import { loadKeys } from '../../functions/boot/guard.ts'
import { parseSecretArn } from '../../shared/aws/address.ts'
import { openSecret } from '../../shared/aws/open-secret.ts'
import { type Clock, systemClock } from '../../shared/lib/clock.ts'
import { type Config, parseConfig } from '../../shared/lib/config/config.ts'
import type { LiveKeys } from '../../shared/lib/live-keys.ts'
import { type Logger, silentLogger } from '../../shared/lib/logger.ts'
import { RestoreHooks } from '../../shared/lib/restore-hooks.ts'

/** The keys of the settings given, read as boot reads them. */
export function openKeys(
  config: Config,
  parts: {
    readonly clock?: Clock
    readonly log?: Logger
    readonly restoreHooks?: RestoreHooks
  } = {},
): Promise<LiveKeys | undefined> {
  const { clock = systemClock, log = silentLogger, restoreHooks = new RestoreHooks() } = parts
  return loadKeys(config, {
    openSecret: (arn) => openSecret(parseSecretArn(arn), { restoreHooks }),
    clock,
    log,
  })
}

/** Keys that stay as they are, by their lines. */
export async function fixedKeys(lines: string): Promise<LiveKeys> {
  const keys = await openKeys(parseConfig({ ESPALIER_API_KEYS: lines }))
  if (!keys) throw new Error('no keys')
  return keys
}

import type { RestoreHooks } from '../lib/restore-hooks.ts'
import type { SecretAddress } from './address.ts'
import type { AwsOptions } from './client-config.ts'

/** A secret text as it was read. */
export interface SecretReading {
  readonly text: string
  /** As the service names it; another text has another version. */
  readonly version: string
  readonly arn: string
}

/** What a change left behind. */
export interface SecretChange {
  readonly arn: string
  /** True where there was no such secret before. */
  readonly created: boolean
}

/** A text that AWS keeps secret. */
export interface Secret {
  /** Null where there is none. */
  read(): Promise<SecretReading | null>
  /**
   * Replaces the text by what `edit` makes of it, or makes the secret of what it makes of nothing. `edit` is called
   * again where somebody else wrote meanwhile, with their text, so that no change is lost.
   */
  change(edit: (text: string | null) => string): Promise<SecretChange>
  close(): void
}

/** How a secret is opened. */
export interface OpenSecretOptions extends AwsOptions {
  /** Makes the client anew, with its connections and credentials, after a restore from a snapshot. */
  readonly restoreHooks?: RestoreHooks | undefined
  /** What a new secret says of itself in AWS. */
  readonly description?: string | undefined
}

/** Opens a secret; the client of its service is loaded here. Nothing is asked of AWS yet. */
export async function openSecret(
  address: SecretAddress,
  options: OpenSecretOptions = {},
): Promise<Secret> {
  if (address.service === 'ssm') {
    const { openParameter } = await import('./parameters.ts')
    return openParameter(address, options)
  }
  const { openManagedSecret } = await import('./secrets-manager.ts')
  return openManagedSecret(address, options)
}

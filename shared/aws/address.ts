import { SECRET_ARN } from '../lib/config/access-fields.ts'
import { EspalierError } from '../lib/errors.ts'

/** The services that keep a secret text. */
export type SecretService = 'secretsmanager' | 'ssm'

/** Where a secret text is kept. */
export interface SecretAddress {
  readonly service: SecretService
  /** An ARN, or a name in the region below. */
  readonly id: string
  /** Absent for the region of the environment or the profile. */
  readonly region?: string | undefined
}

/**
 * The service and the region are those of the ARN, so that nothing else has to be set.
 * @throws EspalierError `invalid_config` where it is the ARN of neither
 */
export function parseSecretArn(arn: string): SecretAddress {
  const [, secrets, secretsRegion, , parametersRegion] = SECRET_ARN.exec(arn) ?? []
  if (secretsRegion === undefined && parametersRegion === undefined) {
    const message = `${arn} is not the ARN of a secret of Secrets Manager, or of a parameter of SSM`
    throw new EspalierError('invalid_config', message)
  }
  const service = secrets === undefined ? 'ssm' : 'secretsmanager'
  return { service, region: secretsRegion ?? parametersRegion, id: arn }
}

/** What is meant by an ARN, or by a name of the service. */
export function addressOf(
  service: SecretService,
  id: string,
  region: string | undefined,
): SecretAddress {
  if (!id.startsWith('arn:')) return { service, id, region }
  const address = parseSecretArn(id)
  if (address.service === service) return address
  const what = service === 'ssm' ? 'a parameter of SSM' : 'a secret of Secrets Manager'
  throw new EspalierError('invalid_config', `${id} is not the ARN of ${what}`)
}

import { Token } from 'aws-cdk-lib'
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { IParameter } from 'aws-cdk-lib/aws-ssm'
import { SettingError } from '../settings/setting-error.ts'

/** Which service keeps the keys. */
type Keeper = 'secretsmanager' | 'ssm'

/** The one right that reading takes. */
const ACTIONS: Readonly<Record<Keeper, string>> = {
  secretsmanager: 'secretsmanager:GetSecretValue',
  ssm: 'ssm:GetParameter',
}
/** With the six characters that Secrets Manager adds: without them the ARN names no resource of a policy. */
const SECRET = /^arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}$/
const PARAMETER = /^arn:aws:ssm:[a-z0-9-]+:[0-9]{12}:parameter\/[\w./-]+$/

/** Where the keys of callers lie: a secret or an encrypted parameter with the lines of `espalier keys create`. */
export class KeySource {
  /** What the service is told, as `ESPALIER_API_KEYS_FROM`. */
  readonly arn: string
  readonly #keeper: Keeper
  readonly #region: string
  readonly #encryptionKey: IKey | undefined

  private constructor(
    arn: string,
    keeper: Keeper,
    region: string,
    encryptionKey: IKey | undefined,
  ) {
    this.arn = arn
    this.#keeper = keeper
    this.#region = region
    this.#encryptionKey = encryptionKey
  }

  /**
   * @param encryptionKey a KMS key of one's own that encrypts them; AWS's own keys need no right
   * @throws SettingError for anything but the whole ARN of a secret or a parameter
   */
  static fromArn(arn: string, encryptionKey?: IKey): KeySource {
    if (Token.isUnresolved(arn)) {
      throw new SettingError(
        'the ARN of the keys is not known yet: use KeySource.fromSecret or KeySource.fromParameter',
      )
    }
    const region = arn.split(':')[3] ?? ''
    if (SECRET.test(arn)) return new KeySource(arn, 'secretsmanager', region, encryptionKey)
    if (PARAMETER.test(arn)) return new KeySource(arn, 'ssm', region, encryptionKey)
    throw new SettingError(
      `the keys are at "${arn}"; it must be the whole ARN of a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf) or of a parameter (arn:aws:ssm:REGION:ACCOUNT:parameter/NAME)`,
    )
  }

  /** Keys in a secret of the same application, or an imported one with its whole ARN. */
  static fromSecret(secret: ISecret): KeySource {
    return new KeySource(
      secret.secretArn,
      'secretsmanager',
      secret.env.region,
      secret.encryptionKey,
    )
  }

  /** Keys in a parameter of type SecureString. */
  static fromParameter(parameter: IParameter, encryptionKey?: IKey): KeySource {
    return new KeySource(parameter.parameterArn, 'ssm', parameter.env.region, encryptionKey)
  }

  /** Lets a role read the keys, and decrypt them by no other way than the service that keeps them. */
  grantRead(grantee: IGrantable): Grant {
    const read = Grant.addToPrincipal({
      grantee,
      actions: [ACTIONS[this.#keeper]],
      resourceArns: [this.arn],
    })
    if (this.#encryptionKey === undefined) return read
    return read.combine(
      Grant.addToPrincipal({
        grantee,
        actions: ['kms:Decrypt'],
        resourceArns: [this.#encryptionKey.keyArn],
        conditions: {
          StringEquals: { 'kms:ViaService': `${this.#keeper}.${this.#region}.amazonaws.com` },
        },
      }),
    )
  }
}

/** A write to a bucket, as its policy sees it. */
export interface WriteRequest {
  readonly key: string
  readonly action?: string
  readonly ifNoneMatch?: string
  readonly ifMatch?: string
  /** False for the beginning and the parts of an upload; their end makes an object. */
  readonly creates?: boolean
  readonly principal?: string
  readonly tls?: string
}

interface Statement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Sids of the statements of a bucket's policy that deny a request, by the rules of IAM that the policy uses. */
export function denials(
  policy: { readonly Statement: readonly (Statement & { readonly Sid?: string })[] },
  request: WriteRequest,
): string[] {
  return policy.Statement.filter(
    (statement) =>
      statement.Effect === 'Deny' &&
      [statement.Action].flat().some((action) => matches(String(action), actionOf(request))) &&
      [statement.Resource].flat().some((arn) => matches(keyOf(arn), request.key)) &&
      Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
        Object.entries(keys).every(([key, value]) => holds(operator, read(request, key), value)),
      ),
  ).map(({ Sid = 'unnamed' }) => Sid)
}

function actionOf({ action = 's3:PutObject' }: WriteRequest): string {
  return action
}

/** The part of an ARN after the bucket. */
function keyOf(arn: unknown): string {
  const joined = (arn as { 'Fn::Join'?: [string, unknown[]] })['Fn::Join']
  if (joined === undefined) return ''
  return joined[1]
    .map((part) => (typeof part === 'string' ? part : ''))
    .join('')
    .replace(/^\//, '')
}

function matches(pattern: string, text: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${source}$`, 's').test(text)
}

function read(request: WriteRequest, key: string): string | undefined {
  const {
    ifNoneMatch,
    ifMatch,
    creates = true,
    principal = 'arn:of-anybody',
    tls = '1.3',
  } = request
  switch (key) {
    case 's3:if-none-match':
      return ifNoneMatch
    case 's3:if-match':
      return ifMatch
    case 's3:ObjectCreationOperation':
      return String(creates)
    case 'aws:PrincipalArn':
      return principal
    case 'aws:SecureTransport':
      return String(tls !== 'none')
    case 's3:TlsVersion':
      return tls === 'none' ? undefined : tls
    default:
      throw new Error(`the policy asks for ${key}, which this reader does not know`)
  }
}

function holds(operator: string, found: string | undefined, wanted: unknown): boolean {
  const values = [wanted].flat().map((value) => JSON.stringify(value).replaceAll('"', ''))
  switch (operator) {
    case 'Null':
      return String(found === undefined) === values[0]
    case 'Bool':
      return found === values[0]
    case 'ArnNotEquals':
      return found === undefined || !values.includes(found.replaceAll('"', ''))
    case 'NumericLessThan':
      return found !== undefined && Number(found) < Number(values[0])
    default:
      throw new Error(`the policy has ${operator}, which this reader does not know`)
  }
}

import { ListenerCondition } from 'aws-cdk-lib/aws-elasticloadbalancingv2'

/** Paths that take a key, of every route of the service but `/metrics`, which counts one task only. */
export const API_PATHS =
  '^/(embed|classify|info|v1/(embeddings|classify|models(/.+)?)|v2/embed|admin/refresh)/?$'
/** Probes, which anybody may ask for. */
export const PROBE_PATHS = '^/(livez|readyz|healthz|health|ping)/?$'
/** The description of the API, for anybody as well. */
export const DESCRIPTION_PATH = '^/openapi\\.json/?$'

/** How a caller shows who it is: each is a rule of its own, because conditions of a rule must all hold. */
export const KEY_HEADERS = [
  ['authorization', 'Bearer ?*'],
  ['x-api-key', '?*'],
] as const
/** A caller that names the fingerprint of its index takes no other vectors. */
export const FINGERPRINT = ['x-espalier-fingerprint', '?*'] as const

/** Paths by regular expressions, which the construct of the CDK does not offer yet: one value for many paths. */
export class PathRegex extends ListenerCondition {
  readonly #patterns: readonly string[]

  /** @param patterns of 128 characters at most each, three at most */
  constructor(patterns: readonly string[]) {
    super()
    this.#patterns = patterns
  }

  renderRawCondition(): unknown {
    return { field: 'path-pattern', pathPatternConfig: { regexValues: [...this.#patterns] } }
  }
}

/** A header that has a value like the pattern, where `?` is a character and `*` any number of them. */
export function header([name, pattern]: readonly [string, string]): ListenerCondition {
  return ListenerCondition.httpHeader(name, [pattern])
}

import { EspalierError } from '../errors.ts'
import { quote } from './text.ts'

/** What a model may be called; no slash, no `@`, never `..`. */
export const MODEL_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/
/** What an alias may be called; it never looks like a version. */
export const ALIAS_PATTERN = /^[a-z][a-z0-9-]{0,62}$/
/** The alias that an unqualified name means. */
export const CHAMPION = 'champion'

const VERSION_PATTERN = /^v([1-9][0-9]{0,8})$/
const VERSION_LIKE = /^v?[0-9]+$/

/** A model as a client names it: a version, an alias, or neither (the traffic split, else `champion`). */
export interface ModelAddress {
  readonly name: string
  readonly selector:
    | { readonly kind: 'version'; readonly version: number }
    | { readonly kind: 'alias'; readonly alias: string }
    | { readonly kind: 'default' }
}

/** True for a name that a model may have. */
export function isModelName(text: string): boolean {
  return MODEL_NAME_PATTERN.test(text) && !text.includes('..')
}

/** True for a name that an alias may have. */
export function isAlias(text: string): boolean {
  return ALIAS_PATTERN.test(text) && !VERSION_LIKE.test(text)
}

/**
 * Reads `name`, `name@alias` or `name@v7`.
 * @throws EspalierError `invalid_name`, with `param` as given
 */
export function parseModelAddress(text: string, param = 'model'): ModelAddress {
  const fail = (message: string) =>
    new EspalierError('invalid_name', `${param} ${quote(text)}: ${message}`, { param })
  const at = text.indexOf('@')
  // Names are kept in lower case, so that clients may write all-MiniLM-L6-v2 as its authors do.
  const name = (at < 0 ? text : text.slice(0, at)).toLowerCase()
  if (!isModelName(name)) {
    throw fail(
      'a model name is 1 to 63 characters of a-z, 0-9, ".", "_" and "-", starts with a letter or digit and has no ".."',
    )
  }
  if (at < 0) return { name, selector: { kind: 'default' } }
  const suffix = text.slice(at + 1)
  const version = VERSION_PATTERN.exec(suffix)
  if (version) return { name, selector: { kind: 'version', version: Number(version[1]) } }
  if (isAlias(suffix)) return { name, selector: { kind: 'alias', alias: suffix } }
  throw fail('after "@" comes a version such as v7 or an alias such as champion')
}

/** A resolved model as responses show it: `name@v7`. */
export function formatModelVersion(model: { name: string; version: number }): string {
  return `${model.name}@v${model.version}`
}

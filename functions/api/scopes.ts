import type { KeyScope } from '../../shared/lib/api-keys.ts'

/** Paths that anybody may call: probes of platforms, and the description of the API. */
const PUBLIC_PATHS: ReadonlySet<string> = new Set([
  '/livez',
  '/readyz',
  '/healthz',
  '/health',
  '/ping',
  '/openapi.json',
])

/** Scopes by path, the first that fits; what is not listed is inference. */
const SCOPES: readonly { readonly path: RegExp; readonly scope: KeyScope | null }[] = [
  // They answer to this machine alone.
  { path: /^\/admin\/snapshot\//, scope: null },
  { path: /^\/(?:admin\/|metrics$)/, scope: 'admin' },
  { path: /^\/v1\/(?:train|classifiers|finetune)(?:\/|$)/, scope: 'train' },
]

/** The scope that a key needs for a path; null where none is asked for. */
export function findScope(path: string): KeyScope | null {
  if (PUBLIC_PATHS.has(path)) return null
  const listed = SCOPES.find((entry) => entry.path.test(path))
  return listed ? listed.scope : 'infer'
}

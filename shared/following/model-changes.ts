import type { ModelState, Shadow, Traffic } from '../registry/records/state.ts'

/** One thing that requests see differently after a look at the registry, or that was kept from them. */
export type ModelChange =
  | { readonly model: string; readonly change: 'added' | 'removed' }
  | {
      readonly model: string
      readonly change: 'alias'
      readonly alias: string
      /** Null where the alias meant nothing before, or means nothing now. */
      readonly from: number | null
      readonly to: number | null
    }
  | { readonly model: string; readonly change: 'traffic'; readonly traffic: Traffic | null }
  | { readonly model: string; readonly change: 'shadow'; readonly shadow: Shadow | null }
  /** The registry wants this version, but it must not or cannot answer yet: the old one does. */
  | { readonly model: string; readonly change: 'refused' | 'waiting'; readonly reason: string }

/** What changed for the requests of one model; null for a model that is not there. */
export function diffStates(
  model: string,
  before: ModelState | null,
  after: ModelState | null,
): ModelChange[] {
  const changes: ModelChange[] = []
  if (before === null || after === null) {
    changes.push({ model, change: after === null ? 'removed' : 'added' })
  }
  const old = before?.aliases ?? {}
  const now = after?.aliases ?? {}
  for (const alias of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
    const [from, to] = [old[alias] ?? null, now[alias] ?? null]
    if (from !== to) changes.push({ model, change: 'alias', alias, from, to })
  }
  const [traffic, shadow] = [after?.traffic ?? null, after?.shadow ?? null]
  if (!isSame(before?.traffic ?? null, traffic)) changes.push({ model, change: 'traffic', traffic })
  if (!isSame(before?.shadow ?? null, shadow)) changes.push({ model, change: 'shadow', shadow })
  return changes
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

import type { ModelCard } from '../../../shared/versions/model-card.ts'

type ModelState = ModelCard['state']
type Traffic = readonly { readonly version: number; readonly percent: number }[]
type Change = ModelState['history'][number]

/** `v7`, or `none`. */
export function formatVersion(version: number | null | undefined): string {
  return version == null ? 'none' : `v${version}`
}

/** `v7=90 v8=10`, or `none`. */
export function formatTraffic(traffic: Traffic | null | undefined): string {
  return traffic?.map(({ version, percent }) => `v${version}=${percent}`).join(' ') ?? 'none'
}

/** `v9 (5 % of requests)`, or `none`. */
export function formatShadow(shadow: ModelState['shadow'] | undefined): string {
  return shadow == null ? 'none' : `v${shadow.version} (${shadow.samplePercent} % of requests)`
}

/** What a change did to a model, before → after, a line each. */
export function describeChange(name: string, change: Change): string[] {
  const { action, alias, from, to, traffic, shadow, trafficBefore, shadowBefore } = change
  const lines: string[] = []
  if (alias !== undefined) {
    lines.push(`${name}@${alias}: ${formatVersion(from)} → ${formatVersion(to)}`)
  }
  if (action === 'traffic' || trafficBefore !== undefined) {
    lines.push(`traffic of ${name}: ${formatTraffic(trafficBefore)} → ${formatTraffic(traffic)}`)
  }
  if (action === 'shadow') {
    lines.push(`shadow of ${name}: ${formatShadow(shadowBefore)} → ${formatShadow(shadow)}`)
  }
  return lines
}

/** The lines of the change that has this id; `unchanged` where the state was so already. */
export function describeOwnChange(state: ModelState, id: string, unchanged: string): string {
  const change = state.history.findLast((candidate) => candidate.id === id)
  return change === undefined
    ? `${unchanged} (unchanged)`
    : describeChange(state.name, change).join('\n')
}

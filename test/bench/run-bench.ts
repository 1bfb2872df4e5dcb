import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownContestants } from './contestants/own.ts'
import { probePeer, readPeerStart, readServerPeers } from './contestants/server-peers.ts'
import { prepareTransformers } from './contestants/transformers-peer.ts'
import type { BenchContext } from './context.ts'
import { describeMachine } from './lib/machine.ts'
import { loadWorkloads } from './lib/workloads.ts'
import type { BenchOptions, PartName } from './options.ts'
import { measureBulk } from './parts/bulk.ts'
import { measureEmbed } from './parts/embed.ts'
import { measureFinetune } from './parts/finetune.ts'
import { measureHeads } from './parts/heads.ts'
import { measureHttp } from './parts/http.ts'
import { measureImages } from './parts/images.ts'
import { measureKernels } from './parts/kernels.ts'
import { measureLone } from './parts/lone.ts'
import { measureMemory } from './parts/memory.ts'
import { measureOpen } from './parts/open.ts'
import { measureRegistry } from './parts/registry.ts'
import { measureScale } from './parts/scale.ts'
import { measureShapes } from './parts/shapes.ts'
import { measureSoak } from './parts/soak.ts'
import { measureStart } from './parts/start.ts'
import {
  checkFloors,
  formatFloors,
  parseFloors,
  recordFloors,
  summarizeCheck,
} from './report/check.ts'
import { replaceSection } from './report/marked-section.ts'
import type { PartResult } from './report/part-result.ts'
import { type BenchReport, findDoubts, renderCheck, renderMarkdown } from './report/render.ts'

const PARTS: Readonly<Record<PartName, (context: BenchContext) => Promise<PartResult>>> = {
  embed: measureEmbed,
  http: measureHttp,
  open: measureOpen,
  lone: measureLone,
  heads: measureHeads,
  start: measureStart,
  memory: measureMemory,
  kernels: measureKernels,
  scale: measureScale,
  shapes: measureShapes,
  images: measureImages,
  registry: measureRegistry,
  finetune: measureFinetune,
  bulk: measureBulk,
  soak: measureSoak,
}

/** What a run is given by the process. */
export interface BenchSurroundings {
  /** The folder that holds `dist/`, `infra/` and `test/`. */
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  print(text: string): void
  say(text: string): void
}

/**
 * Measures the parts asked for, prints and writes the report; returns the exit code.
 * @throws Error when a peer cannot be measured, or a contestant fails
 */
export async function runBench(
  options: BenchOptions,
  { root, env, print, say }: BenchSurroundings,
): Promise<0 | 1> {
  const servers = readServerPeers(env)
  for (const server of servers) await probePeer(server)
  const transformers = prepareTransformers(root, env.PEER_MODEL)
  const floorsFile = join(root, 'test', 'bench', 'floors.json')
  const floors = parseFloors(readFileSync(floorsFile, 'utf8'))
  const machine = describeMachine()
  const context: BenchContext = {
    root,
    passes: options.passes,
    minutes: options.minutes,
    cores: machine.cores,
    own: ownContestants(root),
    transformers: transformers.specs,
    servers,
    torch: env.PEER_TORCH || null,
    python: env.PEER_PYTHON ?? null,
    peerStart: readPeerStart(env),
    wants: (name) => name.includes(options.only),
    workloads: (counts) => loadWorkloads(root, options.full ? null : counts),
    say,
  }
  const parts: PartResult[] = []
  for (const name of options.parts) parts.push(await PARTS[name](context))
  const ratios = parts.flatMap((part) => part.ratios)
  const checked = checkFloors(floors, ratios)
  const report: BenchReport = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    passes: options.passes,
    parts,
    floors: checked,
    notes: [
      ...(servers.length === 0 ? ['TEI was not measured: set TEI_URL'] : []),
      ...transformers.notes,
      ...parts.flatMap((part) => part.notes),
      ...findDoubts(machine, parts),
    ],
  }
  const markdown = renderMarkdown(report)
  print(markdown)
  if (options.json !== null) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.markdown !== null) {
    const page = existsSync(options.markdown) ? readFileSync(options.markdown, 'utf8') : ''
    writeFileSync(options.markdown, replaceSection(page, markdown))
  }
  if (options.record) writeFileSync(floorsFile, formatFloors(recordFloors(floors, ratios)))
  if (!options.check) return 0
  const { passed, text } = summarizeCheck(checked)
  print(`\n${renderCheck(checked)}\n${text}\n`)
  return passed ? 0 : 1
}

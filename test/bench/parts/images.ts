import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { exportImageEncoder } from '../../../shared/exporter/export-image-encoder.ts'
import { forkChild } from '../contestants/child.ts'
import type { BenchPrecision } from '../contestants/own.ts'
import { type PythonImages, startPythonImages } from '../contestants/python-images.ts'
import type { ImagesReply, ImagesRequest } from '../contestants/serve-images.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { type ImageWorkload, prepareImages } from '../lib/image-workload.ts'
import { interleave } from '../lib/interleave.ts'
import { readProcessMemory } from '../lib/process-memory.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'
import { median } from '../lib/statistics.ts'
import { type PartResult, ratioOf } from '../report/part-result.ts'
import { fixed } from '../report/table.ts'

const BUILTIN_FOLDER = 'infra/models/efficientnet-lite0'
const CROWD = 100

interface Contestant {
  readonly name: string
  /** Names it in ratios. */
  readonly key: string
  /** Milliseconds of a pass over all images. */
  run(): Promise<number>
  stop(): Promise<void>
}

/** Images a second, decoded and encoded, beside a Python script; memory while a crowd of large ones waits. */
export async function measureImages(context: BenchContext): Promise<PartResult> {
  return withScratchFolder(async (scratch) => {
    const workload = await prepareImages(context.root, scratch)
    const model = join(scratch, 'encoder')
    await exportImageEncoder({ folder: join(context.root, BUILTIN_FOLDER), output: model })
    const own = await startOwn(context, model, workload, 'float32')
    const int8 = await startOwn(context, model, workload, 'int8')
    const peers: Contestant[] = []
    try {
      if (context.python !== null) {
        for (const threads of [1, context.cores]) {
          peers.push(await startPython(context, context.python, model, workload, threads))
        }
      }
      const all = [own, int8, ...peers]
      const times = await interleave(
        all.map((each) => () => each.run()),
        context.passes,
        passTeller(context, 'images'),
      )
      const timeOf = (each: Contestant) => times[all.indexOf(each)] ?? []
      context.say('images: a crowd of large ones')
      const crowd = await own.crowd()
      const images = readdirSync(workload.folder).length
      return {
        title: 'Images',
        method: `${workload.what} from memory: decoded, resized, cropped, encoded by EfficientNet-Lite0. Ours has ${context.cores} workers. The script uses Pillow and ONNX Runtime with the float32 graph, one image after the other with ONNX Runtime's default threads, and with a thread for each core. The crowd: ${CROWD} different images of 12 megapixels at once, within the default bounds.`,
        tables: [
          {
            head: ['engine', 'images/s'],
            words: 1,
            rows: all.map(({ name }, i) => [
              name,
              fixed((1000 * images) / median(times[i] ?? []), 1),
            ]),
          },
          crowd,
        ],
        measurements: all.map(({ name }, i) => ({ name, unit: 'ms', passes: times[i] ?? [] })),
        ratios: [
          ratioOf('images.int8', timeOf(own), timeOf(int8)),
          ...peers.flatMap((peer) =>
            [own, int8].map((each) =>
              ratioOf(`images.${each.key}.${peer.key}`, timeOf(peer), timeOf(each)),
            ),
          ),
        ],
        notes:
          context.python === null
            ? ['Python was not measured: set PEER_PYTHON to one with pillow and onnxruntime']
            : [],
      }
    } finally {
      await Promise.all([own, int8, ...peers].map((each) => each.stop()))
    }
  })
}

async function startOwn(
  context: BenchContext,
  model: string,
  { folder, large }: ImageWorkload,
  precision: BenchPrecision,
) {
  const choice = { model, precision, workers: context.cores, folder }
  const child = await forkChild<ImagesRequest, ImagesReply>(context.own.images(choice))
  return {
    name: `espalier ${precision}`,
    key: precision,
    async run() {
      return (await child.ask({ kind: 'encode' }, 'encode')).ms
    },
    async crowd() {
      const before = readProcessMemory(child.pid)
      const { ms, refused } = await child.ask(
        { kind: 'crowd', file: large, requests: CROWD },
        'crowd',
      )
      const after = readProcessMemory(child.pid)
      return {
        head: ['crowd', 'answered', 'refused (429)', 'seconds', 'MiB before', 'MiB at most'],
        words: 1,
        rows: [
          [
            `${CROWD} x 12 MP`,
            String(CROWD - refused),
            String(refused),
            fixed(ms / 1000, 1),
            fixed(before.rssMib),
            fixed(after.peakMib),
          ],
        ],
      }
    },
    stop: () => child.stop(),
  }
}

async function startPython(
  { root }: BenchContext,
  python: string,
  model: string,
  { folder }: ImageWorkload,
  threads: number,
): Promise<Contestant> {
  const graph = join(model, 'float32.onnx')
  const engine: PythonImages = await startPythonImages(root, {
    python,
    model: graph,
    folder,
    threads,
  })
  return {
    name: threads === 1 ? 'python script' : `python script, ${threads} threads`,
    key: threads === 1 ? 'python' : 'python-threads',
    run: () => engine.run(),
    stop: () => engine.stop(),
  }
}

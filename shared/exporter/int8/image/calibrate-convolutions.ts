import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { cutGraph } from '../../../onnx/cut.ts'
import type { Graph, Initializer, Node, ValueInfo } from '../../../onnx/graph.ts'
import { openSession } from '../../../runtime/session.ts'
import type { ImageNetwork } from '../../image/image-network.ts'
import { withModelFile } from '../../source/model-file.ts'
import type { CalibrateOptions } from '../tapped-run.ts'
import type { CalibrationImages } from './calibration-images.ts'
import type { ConvolutionPlan, ConvolutionSite } from './convolution-sites.ts'
import {
  type Grid,
  type ImageCalibration,
  listRanged,
  planGrids,
} from './image-calibration-file.ts'
import { type MomentSums, MomentTap } from './moment-tap.ts'
import { roundConvolution } from './quantize-convolution.ts'

/** Covariances that are summed up at a time, in numbers: 128 MB. */
const MAX_SUMMED = 16 * 1024 * 1024
/** Digits kept of a range: far above float32 noise, far below what uint8 can resolve. */
const RANGE_DIGITS = 4

/**
 * Learns from images what int8 needs: the range of each value, and, from the covariance of what a convolution
 * reads, how to round its weights. Takes half a minute for 5 million weights.
 */
export async function calibrateConvolutions(
  graph: Graph,
  plan: ConvolutionPlan,
  { input, preprocessing, images }: CalibrationTask,
  options: CalibrateOptions,
): Promise<ImageCalibration> {
  const names = listRanged(plan, input.name)
  const ranges = await measureRanges(graph, names, { input, images }, options)
  const grids = planGrids(plan, input.name, preprocessing, ranges)
  const sites: ImageCalibration['sites'] = {}
  const all = [...plan.sites.values()]
  for (const some of chunkSites(all)) {
    const moments = await measureMoments(graph, some, { input, images }, options)
    for (const [index, site] of some.entries()) {
      options.signal?.throwIfAborted()
      const done = Object.keys(sites).length
      options.onProgress?.('rounding weights', done, all.length)
      await yieldToLoop()
      const sums = moments[index] as MomentSums
      sites[site.output] = roundConvolution(site, grids.get(site.input) as Grid, sums.finish())
    }
  }
  options.onProgress?.('rounding weights', all.length, all.length)
  return { schema: 1, pictures: images.sha256, ranges, sites }
}

/** A network's input, and the images to feed it with. */
export interface CalibrationTask {
  readonly input: ImageNetwork['input']
  readonly preprocessing: Parameters<typeof planGrids>[2]
  readonly images: CalibrationImages
}

type Feed = Pick<CalibrationTask, 'input' | 'images'>

async function measureRanges(
  graph: Graph,
  names: readonly string[],
  feed: Feed,
  options: CalibrateOptions,
): Promise<ImageCalibration['ranges']> {
  const ends = new Map(names.map((name) => [name, { low: Infinity, high: -Infinity }]))
  const nodes = names.flatMap((name) =>
    (['ReduceMin', 'ReduceMax'] as const).map((op): Node => {
      const outputs = [`${op}.${name}`]
      return {
        name: `${op}.${name}`,
        op,
        domain: '',
        inputs: [name],
        outputs,
        attributes: { keepdims: 0 },
      }
    }),
  )
  const outputs = nodes.map(({ name }): ValueInfo => ({ name, type: 'float32', shape: [] }))
  await runImages(tapGraph(graph, names, nodes, [], outputs), feed, options, (values) => {
    for (const [name, end] of ends) {
      end.low = Math.min(end.low, values[`ReduceMin.${name}`]?.[0] as number)
      end.high = Math.max(end.high, values[`ReduceMax.${name}`]?.[0] as number)
    }
  })
  const round = (value: number) => Number(value.toPrecision(RANGE_DIGITS))
  return Object.fromEntries(
    [...ends].map(([name, { low, high }]) => [name, [round(low), round(high)]]),
  )
}

async function measureMoments(
  graph: Graph,
  sites: readonly ConvolutionSite[],
  feed: Feed,
  options: CalibrateOptions,
): Promise<MomentSums[]> {
  const taps = sites.map((site) => new MomentTap(site))
  const tapped = tapGraph(
    graph,
    sites.map((site) => site.input).filter((name) => name !== feed.input.name),
    taps.flatMap(({ nodes }) => nodes),
    taps.flatMap(({ constants }) => constants),
    taps.flatMap(({ outputs }) => outputs),
  )
  const sums = taps.map((tap) => tap.start())
  await runImages(tapped, feed, options, (values) => {
    for (const each of sums) each.take(values)
  })
  return sums
}

/** Sites whose covariances are held at the same time. */
function chunkSites(sites: readonly ConvolutionSite[]): ConvolutionSite[][] {
  const chunks: ConvolutionSite[][] = []
  let room = 0
  for (const site of sites) {
    const { size } = new MomentTap(site)
    if (size > room || chunks.length === 0) {
      chunks.push([])
      room = MAX_SUMMED
    }
    chunks.at(-1)?.push(site)
    room -= size
  }
  return chunks
}

function tapGraph(
  graph: Graph,
  values: readonly string[],
  nodes: readonly Node[],
  constants: readonly Initializer[],
  outputs: readonly ValueInfo[],
): Graph {
  const cut =
    values.length > 0 ? cutGraph(graph, values) : { ...graph, nodes: [], initializers: [] }
  return {
    ...cut,
    inputs: graph.inputs,
    nodes: [...cut.nodes, ...nodes],
    initializers: [...cut.initializers, ...constants],
    outputs,
  }
}

async function runImages(
  graph: Graph,
  { input, images }: Feed,
  { threads, signal, onProgress }: CalibrateOptions,
  take: (values: Readonly<Record<string, ArrayLike<number>>>) => void,
): Promise<void> {
  const dims = [1, ...(input.shape.slice(1) as number[])]
  await withModelFile(graph, async (path) => {
    const session = await openSession(path, { threads })
    try {
      for (let i = 0; i < images.count; i++) {
        signal?.throwIfAborted()
        const results = await session.run({ [input.name]: { data: images.pixels(i), dims } })
        const entries = Object.entries(results).map(([name, { data }]) => [name, data])
        take(Object.fromEntries(entries) as Record<string, ArrayLike<number>>)
        onProgress?.('calibrating', i + 1, images.count)
        await yieldToLoop()
      }
    } finally {
      await session.release()
    }
  })
}

import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../../lib/errors.ts'
import { CALIBRATION_FILE } from '../../../lib/manifests/encoder-manifest.ts'
import type { ImagePreprocessing } from '../../../lib/manifests/image-preprocessing.ts'
import type { Graph, ValueInfo } from '../../../onnx/graph.ts'
import { readJsonFile } from '../../source/json-file.ts'
import { sha256 } from '../../source/model-file.ts'
import type { CalibrateOptions } from '../tapped-run.ts'
import { calibrateConvolutions } from './calibrate-convolutions.ts'
import { drawCalibrationImages, readCalibrationImages } from './calibration-images.ts'
import { buildConvolutionInt8 } from './convolution-int8.ts'
import { type ConvolutionPlan, planConvolutions } from './convolution-sites.ts'
import {
  type ImageCalibration,
  narrowCalibration,
  parseImageCalibration,
  planGrids,
} from './image-calibration-file.ts'

/** About 0.1 bytes a weight. */
const MAX_CALIBRATION_BYTES = 64 * 1024 * 1024
/** From this operator set on MaxPool takes uint8; quantisation is older. */
const INT8_OPSET = 12
/** Broadcasting as we know it. */
const OLDEST_OPSET = 7
/** Operators that mean the same from the one set to the other, as far as the older knows. */
const LASTING = new Set(
  'Add Concat Conv Div Flatten Gemm GlobalAveragePool GlobalMaxPool Identity LRN MatMul MaxPool Mul ReduceL2 ReduceMean Relu Reshape Sigmoid Sub Transpose'.split(
    ' ',
  ),
)

/** An image encoder's graph in float32, its one input, and how images come to it. */
export interface FloatImageGraph {
  readonly graph: Graph
  readonly input: ValueInfo
  readonly preprocessing: ImagePreprocessing
}

/** The same in int8. */
export interface Int8ImageGraph {
  readonly graph: Graph
  readonly calibration: ImageCalibration
  /** sha256 over all of the calibration that decides bits. */
  readonly digest: string
}

/**
 * Quantises an image encoder: by the caller's images, else as the folder's calibration says, else by drawn ones.
 * @throws EspalierError `unsupported_model` where no convolution could run in int8, `invalid_data`, `invalid_model_file`
 */
export async function quantizeImageGraph(
  source: FloatImageGraph,
  from: { readonly folder: string; readonly images: string | undefined },
  options: CalibrateOptions,
): Promise<Int8ImageGraph> {
  const { input, preprocessing } = source
  const graph = raiseOpset(source.graph)
  const plan = planConvolutions(graph)
  if (plan.sites.size === 0 || graph.opset < INT8_OPSET) {
    const what = plan.sites.size === 0 ? 'no convolution of known weights' : `opset ${graph.opset}`
    const message = `${from.folder}: int8 is for networks of convolutions, of opset ${INT8_OPSET} or newer; this one has ${what}: export it in float32`
    throw new EspalierError('unsupported_model', message)
  }
  const calibration = await calibrate({ graph, input, preprocessing }, plan, from, options)
  const grids = planGrids(plan, input.name, preprocessing, calibration.ranges)
  const { ranges, sites } = calibration
  return {
    graph: buildConvolutionInt8(graph, plan, grids, calibration),
    calibration,
    digest: sha256(JSON.stringify([ranges, sites])),
  }
}

/** Old graphs of lasting operators are as good as new ones. */
function raiseOpset(graph: Graph): Graph {
  const { opset, nodes } = graph
  const isOld = opset >= OLDEST_OPSET && opset < INT8_OPSET
  return isOld && nodes.every(({ op }) => LASTING.has(op)) ? { ...graph, opset: INT8_OPSET } : graph
}

async function calibrate(
  { graph, input, preprocessing }: FloatImageGraph,
  plan: ConvolutionPlan,
  { folder, images }: { readonly folder: string; readonly images: string | undefined },
  options: CalibrateOptions,
): Promise<ImageCalibration> {
  if (images === undefined) {
    const path = join(folder, CALIBRATION_FILE)
    const shipped = await readJsonFile(path, z.unknown(), MAX_CALIBRATION_BYTES)
    if (shipped !== null) {
      const whole = parseImageCalibration(shipped, plan, input.name)
      return narrowCalibration(whole, plan, input.name)
    }
  }
  const chosen =
    images === undefined
      ? drawCalibrationImages(preprocessing)
      : await readCalibrationImages(images, preprocessing)
  const task = { input, preprocessing, images: chosen }
  return calibrateConvolutions(graph, plan, task, options)
}

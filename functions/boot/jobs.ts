import type { ArtifactOptions } from '../../shared/encoders/encoder-artifacts.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { Boot } from './types.ts'

/** What jobs and command lines work with beside encoders. */
export type JobParts = Pick<
  Boot,
  | 'openKernels'
  | 'openThumbnailer'
  | 'exportEncoder'
  | 'findOwnClassifier'
  | 'exportImageEncoder'
  | 'modalityOf'
  | 'listLayers'
  | 'inspectFolder'
  | 'fineTuning'
  | 'openBulkPlace'
>

/** The parts of jobs; each is loaded when it is asked for. */
export function createJobParts(options: {
  readonly config: Pick<Config, 'maxImagePixels' | 'images'>
  readonly artifacts: ArtifactOptions
  /** The worker that trains encoders. */
  readonly workerUrl: URL
  readonly quietSdk: () => void
}): JobParts {
  const { artifacts, workerUrl } = options
  const { maxImagePixels, images: imageCheck } = options.config
  const { builtinFolder, calibrationTexts, threads, answers } = artifacts
  return {
    async openKernels() {
      const { openMatrixKernels } = await import('../../shared/runtime/kernels/kernels.ts')
      return openMatrixKernels({ threads })
    },
    async openThumbnailer() {
      const { openThumbnailer } = await import('../../shared/runtime/image/image-decoder.ts')
      return openThumbnailer(maxImagePixels)
    },
    async exportEncoder(request) {
      const { exportEncoder } = await import('../../shared/exporter/export-encoder.ts')
      return exportEncoder({ ...request, defaultCalibration: calibrationTexts, threads })
    },
    async findOwnClassifier(folder, answers) {
      const { findOwnClassifier } = await import('../../shared/exporter/source/own-classifier.ts')
      return findOwnClassifier(folder, answers)
    },
    async exportImageEncoder(request) {
      const { exportImageEncoder } = await import('../../shared/exporter/export-image-encoder.ts')
      return exportImageEncoder({ ...request, threads })
    },
    async modalityOf(folder) {
      const { isImageFolder } = await import('../../shared/exporter/source/is-image-folder.ts')
      return isImageFolder(folder) ? 'image' : 'text'
    },
    async listLayers(folder) {
      const { listLayers } = await import('../../shared/exporter/image/list-layers.ts')
      return listLayers(folder)
    },
    async inspectFolder(folder, wanted) {
      const { inspectFolder } = await import('../../shared/exporter/inspect-folder.ts')
      return inspectFolder(folder, wanted)
    },
    fineTuning: {
      builtinFolder,
      workerUrl,
      calibrationTexts,
      maxImagePixels,
      imageCheck,
      threads,
      answers,
    },
    async openBulkPlace(url, format) {
      const { openBulkPlace } = await import('../../shared/bulk/open-place.ts')
      options.quietSdk()
      return openBulkPlace(url, format)
    },
  }
}

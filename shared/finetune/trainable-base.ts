import type { GraphFolder } from './graph/graph-folder.ts'
import type { Trunk } from './graph/types.ts'
import type { LabelledRows } from './rows/labelled-rows.ts'
import type { FineTuneTools } from './types.ts'

/** Training and validation rows, as the training graph takes them. */
export interface PreparedRows {
  readonly train: LabelledRows
  readonly validation: LabelledRows
}

/** What preparing rows needs. */
export interface PrepareRowsTools extends FineTuneTools {
  readonly folder: GraphFolder
}

/** An encoder that can be trained, with the rows of one training: of texts or of images. */
export interface TrainableBase {
  readonly trunk: Trunk
  /** Bytes of all its weights in memory. */
  readonly weightBytes: number
  /** Bytes of the rows, and of what frozen layers make of them. */
  readonly rowBytes: number
  /** Tokens of the longest text; null for images. */
  readonly tokens: number | null
  /** Texts that were cut. */
  readonly truncated: { readonly train: number; readonly validation: number }
  /**
   * Prepares the rows for the training graph; hidden states of frozen layers are computed here, once.
   * @throws EspalierError `request_cancelled`, `invalid_image`
   */
  prepareRows(tools: PrepareRowsTools): Promise<PreparedRows>
  /**
   * Writes the encoder's folder with trained values, by the names of the parameters.
   * @throws EspalierError `invalid_request` where it exists or cannot be written
   */
  write(output: string, values: ReadonlyMap<string, Float32Array>): Promise<void>
}

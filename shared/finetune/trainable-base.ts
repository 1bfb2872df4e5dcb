import type { JudgedRows } from './evaluate/evaluate-rows.ts'
import type { FineTuneTools } from './fine-tune-tools.ts'
import type { GraphFolder } from './graph/graph-folder.ts'
import type { Trunk } from './graph/types.ts'

/** Rows to learn from and rows to judge by, as the training graph takes them. */
export interface EnteredRows {
  readonly train: JudgedRows
  readonly validation: JudgedRows
}

/** What computing frozen layers needs. */
export interface EnterTools extends FineTuneTools {
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
   * The rows as the training graph takes them; what frozen layers make of them is computed here, once.
   * @throws EspalierError `request_cancelled`, `invalid_image`
   */
  enterRows(tools: EnterTools): Promise<EnteredRows>
  /**
   * Writes the encoder's folder with trained values, by the names of the parameters.
   * @throws EspalierError `invalid_request` where it exists or cannot be written
   */
  write(output: string, values: ReadonlyMap<string, Float32Array>): Promise<void>
}

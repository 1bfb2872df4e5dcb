import type { Graph, GraphBuilder } from '../../onnx/graph.ts'
import type { Loss } from '../types.ts'

/** One trainable tensor; it is a graph input of its own name. */
export interface Parameter {
  /** Our tree path: `layers.3.qkv.weight`, `layers.3.attention_norm.gamma`, `head.bias`. */
  readonly name: string
  readonly dims: readonly number[]
  readonly group: 'encoder' | 'head'
  /** Whether weight decay applies: to matrices, not to biases and normalisations. */
  readonly decay: boolean
  /** A view of the encoder's own weights where those start the training; copy before changing. */
  readonly initial: Float32Array
}

/** Scores of an embedding e: `weight`·e + `bias`, shapes [classes, dimension] and [classes]. */
export interface AffineHead {
  readonly weight: Float32Array
  readonly bias: Float32Array
}

/** Where a batch enters: at token ids, at what frozen layers left, or at finished embeddings. */
export type BatchStart =
  /** ids int32 [batch, tokens]; mask float32 [batch, tokens], 1 for tokens and 0 for padding after them. */
  | { readonly kind: 'ids'; readonly ids: string; readonly mask: string }
  /** states float32 [batch, tokens, hidden], of the last frozen layer; mask as above. */
  | { readonly kind: 'states'; readonly states: string; readonly mask: string }
  /** features float32 [batch, …shape], of a layer of an image network. */
  | { readonly kind: 'features'; readonly features: string; readonly shape: readonly number[] }
  /** embeddings float32 [batch, dimension], normalised. */
  | { readonly kind: 'embeddings'; readonly embeddings: string }

/** Names of a batch's inputs. */
export interface BatchInputs {
  readonly start: BatchStart
  /**
   * float32 [batch, classes]: one-hot, soft or multi-hot; contrastive: float32 [batch, batch], the wanted
   * cosine of each pair of rows.
   */
  readonly targets: string
  /** Contrastive only: float32 [batch, batch], how much each pair of rows counts, 0 for not at all. */
  readonly pairWeights: string | null
}

/** Names of the graph's outputs. */
export interface TrainingOutputs {
  /** Scalar float32: the mean over the batch, as losses.ts defines it. */
  readonly loss: string
  /** float32 [batch, classes]; contrastive: cosines [batch, batch]. */
  readonly scores: string
  /** Scalar float32: the L2 norm of all gradients together. */
  readonly gradientNorm: string
  /** In the order of the parameters, each of its parameter's shape; may be fetched into tensors of one's own. */
  readonly gradients: readonly string[]
}

/** Forward and backward pass in one graph, operator set 17 with ONNX Runtime's own operators. */
export interface TrainingGraph {
  readonly graph: Graph
  readonly parameters: readonly Parameter[]
  readonly batch: BatchInputs
  readonly outputs: TrainingOutputs
}

/** The forward pass alone, with the same inputs as the training graph. */
export interface ScoringGraph {
  readonly graph: Graph
  readonly parameters: readonly Parameter[]
  readonly batch: BatchInputs
  readonly outputs: Pick<TrainingOutputs, 'loss' | 'scores'> & {
    /** float32 [batch, dimension], normalised. */
    readonly embedding: string
  }
}

/** The encoder below the output layer, as far as it is trained: of texts or of images. */
export interface Trunk {
  /** Operator set of its graphs. */
  readonly opset: number
  /** Numbers of one embedding. */
  readonly dimension: number
  /** The tensors that are trained; none where it stays as it is. */
  readonly parameters: readonly Parameter[]
  /** Adds the trained part: declares the batch's and the parameters' inputs, and gives embeddings [batch, dimension], normalised. */
  addTrained(g: GraphBuilder): { readonly start: BatchStart; readonly embedding: string }
}

/** What training and scoring graphs are made from. */
export interface TrainingGraphOptions<T extends Trunk = Trunk> {
  readonly trunk: T
  readonly loss: Loss
  /** Number of classes; of no meaning to the contrastive loss. */
  readonly classes: number
  /** The head that training starts from; null for the contrastive loss, which has none. */
  readonly initialHead: AffineHead | null
  /** One factor per class, [classes]; null for ones. */
  readonly classWeights: Float32Array | null
}

/** The public types of the library. They import nothing: the declarations of the package are made from this file. */

/** A text, or an image as the bytes of a JPEG, PNG or WebP file, or as those in base64. */
export type Input = string | { readonly image: Uint8Array | string }

/** How the library is opened; everything has a default. */
export interface EspalierOptions {
  /**
   * Where versions and aliases of models are kept: `file:./registry`, `s3://bucket/prefix`, or `memory:` for none but
   * the built-in ones. A promoted version is used from then on, as by a server.
   * @default 'file:./registry', which need not exist
   */
  readonly registry?: string | undefined
  /** The default encoder: a built-in or registered name, or a folder. @default 'all-MiniLM-L6-v2' */
  readonly encoder?: string | undefined
  /** How the vectors of tokens become one, for folders of encoders that do not say it. @default as the folder says */
  readonly encoderPooling?: 'mean' | 'cls' | 'max' | undefined
  /** Longest input of encoders that are opened from folders, in tokens. @default as the folder says */
  readonly encoderMaxTokens?: number | undefined
  /** Prompts of encoders that are opened from folders, by name, beside those of the folder. */
  readonly encoderPrompts?: Readonly<Record<string, string>> | undefined
  /** Take the encoder of a folder with a classifier or a language model without its output layer. @default false */
  readonly encoderHeadless?: boolean | undefined
  /** ONNX file to take of a folder that holds several. @default model.safetensors, else onnx/model.onnx */
  readonly encoderOnnx?: string | undefined
  /** Which graph of the weights runs. @default 'int8' on CPUs, 'float16' on GPUs */
  readonly precision?: 'float32' | 'float16' | 'int8' | undefined
  /** Where encoders run; GPUs need onnxruntime-node beside this package. @default 'cpu' */
  readonly device?: 'cpu' | 'cuda' | 'webgpu' | 'auto' | undefined
  /** Worker threads, one core each. @default the usable cores; 1 on a GPU */
  readonly workers?: number | undefined
  /** Folder for exported graphs and verified files. @default $XDG_CACHE_HOME/espalier, else ~/.cache/espalier */
  readonly cache?: string | undefined
  /** How old the last look at the registry may be, in seconds. @default 2 */
  readonly pollSeconds?: number | undefined
  /** Start from the cache where the registry does not answer. @default false */
  readonly offlineOk?: boolean | undefined
  /** Least severe line that is logged, as JSON on stderr. @default 'silent' */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined
  /** Ends the opening; later it means nothing. */
  readonly signal?: AbortSignal | undefined
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call with `request_cancelled`. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds in which the answer must be there, else `deadline_exceeded`. @default no limit */
  readonly timeoutMs?: number | undefined
  /** Cut texts longer than the encoder reads; false refuses them. @default true */
  readonly truncate?: boolean | undefined
}

/** How texts or images are embedded. */
export interface EmbedOptions extends CallOptions {
  /** An encoder: `name`, `name@alias` or `name@v7`. @default the default encoder */
  readonly model?: string | undefined
  /** L2-normalise the vectors. @default true */
  readonly normalize?: boolean | undefined
  /** A prompt of the encoder, put before each text. */
  readonly promptName?: string | undefined
}

/** Vectors, and what made them. */
export interface Embeddings {
  /** The version that answered, `name@v1`. */
  readonly model: string
  /** Equal fingerprints give equal bits on the same kind of CPU. */
  readonly fingerprint: string
  /** Length of each vector. */
  readonly dimensions: number
  /** One vector per input, in order. */
  readonly embeddings: readonly Float32Array[]
  /** Tokens that the encoder read. */
  readonly tokens: number
  /** Inputs that were cut. */
  readonly truncated: number
}

/** How texts or images are classified. */
export interface ClassifyOptions extends CallOptions {
  /** A classifier: `name`, `name@alias` or `name@v7`. @default the only one there is */
  readonly model?: string | undefined
  /** Labels to list with each prediction. @default 5 */
  readonly topK?: number | undefined
  /** Score that a label must reach; else `label` is null. @default that of the classifier */
  readonly threshold?: number | undefined
  /** Scores that labels must reach: one for all, or those of some labels. @default those of the classifier */
  readonly thresholds?: number | Readonly<Record<string, number>> | undefined
  /** Score from which an answer is given; below it `abstained` is true. @default the classifier's own, if it has one */
  readonly minScore?: number | undefined
  /** Add to each prediction the labels that hold the true one with this probability. */
  readonly predictionSet?: PredictionSetOptions | undefined
  /** Calls with the same key get the same version of a traffic split. */
  readonly routeKey?: string | undefined
}

/** A label with its probability. */
export interface LabelScore {
  readonly label: string
  readonly score: number
}

/** The prediction sets that are asked for, of classifiers with one label an input. */
export interface PredictionSetOptions {
  /** Share of inputs like the training data whose set holds the true label, 0.5 to 0.999. */
  readonly coverage: number
  /** Hold it for the inputs of each label, and not only for all. @default false */
  readonly byLabel?: boolean | undefined
}

/** Labels that hold the true one with a stated probability. */
export interface PredictionSet {
  /** Best first; none where even the best is less likely than true labels are. */
  readonly labels: readonly LabelScore[]
  readonly coverage: number
  readonly byLabel: boolean
  /** Labels that stand in every set, as too few rows of them were held out. */
  readonly tooFewRows: number
}

/** What a classifier says of one input. */
export interface Prediction {
  /** The best label; null where none reaches its threshold. */
  readonly label: string | null
  /** The best label's probability. */
  readonly score: number
  /** Best first. */
  readonly labels: readonly LabelScore[]
  /** False for inputs unlike the training data; null without a detector. */
  readonly inDistribution: boolean | null
  /** Distance from the training data: relative Mahalanobis, higher is further. */
  readonly oodScore: number | null
  /** True where the score is too low to answer, or the input unlike the training data; absent where nothing says how low. */
  readonly abstained?: boolean | undefined
  /** Where asked for. */
  readonly set?: PredictionSet | undefined
}

/** What one classifier says of all inputs. */
export interface Classification {
  /** The version that answered, `name@v1`. */
  readonly model: string
  /** True where an input may have several labels. */
  readonly multiLabel: boolean
  /** Every label that the classifier knows. */
  readonly labels: readonly string[]
  /** One per input, in order. */
  readonly predictions: readonly Prediction[]
}

/** A model that can be named. */
export interface ModelEntry {
  readonly name: string
  readonly kind: 'embedding' | 'classifier'
  /** What the bare name means; null for a classifier without a champion. */
  readonly version: number | null
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
}

/** An open encoder with its classifiers. Its worker threads keep the process alive until it is closed. */
export interface Espalier {
  /**
   * Turns texts or images into vectors. Calls may overlap: they share the workers.
   * @throws EspalierError such as `empty_input`, `input_too_long` (param `inputs[3]`), `model_not_found`
   */
  embed(inputs: Input | readonly Input[], options?: EmbedOptions): Promise<Embeddings>
  /**
   * Classifies texts or images.
   * @throws EspalierError as `embed`, and `wrong_model_kind` for an encoder
   */
  classify(inputs: Input | readonly Input[], options?: ClassifyOptions): Promise<Classification>
  /** Asks several classifiers, in one pass of each encoder that they read; answers in the order of `models`. */
  classifyWith(
    models: readonly string[],
    inputs: Input | readonly Input[],
    options?: Omit<ClassifyOptions, 'model'>,
  ): Promise<readonly Classification[]>
  /** The models that can be named, encoders first. */
  models(): Promise<readonly ModelEntry[]>
  /** Lets accepted calls finish and ends the worker threads; further calls fail. */
  close(): Promise<void>
  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

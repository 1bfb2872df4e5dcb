/** The public types of the client. They import nothing: the declarations of the package are made from this file. */

/** A text, or an image as the bytes of a JPEG, PNG or WebP file, or as those in base64. */
export type Input = string | { readonly image: Uint8Array | string }

/** How a client is made. */
export interface ClientOptions {
  /** Where the server is, with a path in front of its routes if it has one: `http://127.0.0.1:8080`. */
  readonly baseUrl: string | URL
  /** Sent as `Authorization: Bearer …`. @default none */
  readonly apiKey?: string | undefined
  /** Milliseconds for one HTTP request, its answer included. @default 60000 */
  readonly timeoutMs?: number | undefined
  /** How often a request is sent again after 429, 503 or a lost connection. @default 4 */
  readonly retries?: number | undefined
  /** Most inputs of one HTTP request. @default 256, what a server takes of images, and on Lambda of texts */
  readonly batchSize?: number | undefined
  /** Most bytes of the inputs of one HTTP request. @default 4 MiB, as Lambda takes 6 */
  readonly batchBytes?: number | undefined
  /** HTTP requests of one call that are under way at once. @default 4 */
  readonly concurrency?: number | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** What sends requests, such as one that signs them for AWS. @default the global one */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call at once; it rejects with the signal's reason, as `fetch` does. */
  readonly signal?: AbortSignal | undefined
  /** Replaces the client's own for this call. */
  readonly timeoutMs?: number | undefined
}

/** What calls with inputs take. */
export interface InputOptions extends CallOptions {
  /** Cut texts longer than the encoder reads; false refuses them. @default true */
  readonly truncate?: boolean | undefined
}

/** How texts or images are embedded. */
export interface EmbedOptions extends InputOptions {
  /** An encoder: `name`, `name@alias` or `name@v7`. @default the default encoder of the server */
  readonly model?: string | undefined
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
}

/** How texts or images are classified. */
export interface ClassifyOptions extends InputOptions {
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
  /** Calls with the same key get the same version of a traffic split. @default one key for each call */
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
  /** One per input, in order. */
  readonly predictions: readonly Prediction[]
  /** Tokens that the encoders read for all classifiers of the call. */
  readonly tokens: number
}

interface ModelFields {
  readonly id: string
  readonly object: 'model'
  /** Unix seconds. */
  readonly created: number
  readonly owned_by: string
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
}

/** An encoder in the list of models. */
export interface EmbeddingModel extends ModelFields {
  readonly kind: 'embedding'
  readonly modality: 'text' | 'image'
  readonly version: number
  readonly dimension: number
  readonly max_tokens: number
  readonly pooling: string
  readonly precision: 'float32' | 'float16' | 'int8'
  readonly prompts: readonly string[]
  readonly family: string
  readonly fingerprint: string
}

/** A classifier in the list of models; it need not be loaded. */
export interface ClassifierModel extends ModelFields {
  readonly kind: 'classifier'
  /** The champion; null where no version was promoted. */
  readonly version: number | null
  readonly family: string | null
  readonly label_count: number | null
  readonly traffic: readonly { readonly version: number; readonly percent: number }[] | null
  readonly shadow: { readonly version: number; readonly sample_percent: number } | null
}

/** Any model, told apart by `kind`, as `GET /v1/models` lists it. */
export type Model = EmbeddingModel | ClassifierModel

/** Whether requests are welcome, as `GET /readyz` answers. */
export interface Health {
  readonly status: 'ok' | 'starting' | 'stopping' | 'workers_lost'
  readonly encoder?: string | undefined
  readonly device?: string | undefined
  readonly modality?: 'text' | 'image' | undefined
  readonly registry?: 'up' | 'away' | 'offline' | undefined
  /** Models and versions that cannot be read or loaded while all others answer. */
  readonly degraded?: readonly string[] | undefined
}

/** The default encoder and the limits of a server, as `GET /info` answers; other members are those of its page. */
export interface Info {
  readonly model_id: string
  readonly model_version: number
  readonly modality: 'text' | 'image'
  readonly dimension: number
  readonly fingerprint: string
  readonly device: string
  readonly workers: number
  readonly max_input_length: number
  readonly max_client_batch_size: number
  readonly max_body_bytes: number
  readonly max_text_bytes: number
  readonly max_image_bytes: number
  readonly version: string
}

/** A change that a look at the registry brought; `change` tells what else is there. */
export interface RegistryChange {
  readonly model: string
  readonly change: 'added' | 'removed' | 'alias' | 'traffic' | 'shadow' | 'refused' | 'waiting'
}

/** The calls that a server answers. */
export interface EspalierClient {
  /**
   * Turns texts or images into vectors, in as many requests as it takes; all of one version.
   * @throws EspalierClientError
   */
  embed(inputs: Input | readonly Input[], options?: EmbedOptions): Promise<Embeddings>
  /** Classifies texts or images. @throws EspalierClientError */
  classify(inputs: Input | readonly Input[], options?: ClassifyOptions): Promise<Classification>
  /** Asks several classifiers at once; answers in the order of `models`. @throws EspalierClientError */
  classifyWith(
    models: readonly string[],
    inputs: Input | readonly Input[],
    options?: Omit<ClassifyOptions, 'model'>,
  ): Promise<readonly Classification[]>
  /** The models of the server, encoders first. */
  models(options?: CallOptions): Promise<readonly Model[]>
  /** One model, by `name`, `name@alias` or `name@v7`. */
  model(id: string, options?: CallOptions): Promise<Model>
  /** The default encoder and the limits of the server. */
  info(options?: CallOptions): Promise<Info>
  /** Whether requests are welcome; a server that is starting or stopping is an answer, no error. */
  health(options?: CallOptions): Promise<Health>
  /** Has the server look at its registry now; for administrators. */
  refresh(options?: CallOptions): Promise<readonly RegistryChange[]>
}

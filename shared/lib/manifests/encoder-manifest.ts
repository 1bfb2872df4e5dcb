import { z } from 'zod'
import { imagePreprocessingSchema } from './image-preprocessing.ts'

/** The file name of an encoder's manifest inside its artifact folder. */
export const ENCODER_MANIFEST_FILE = 'encoder.json'
/** What int8 was learned as: a folder may bring it, an artifact says what it was quantised by. */
export const CALIBRATION_FILE = 'calibration.json'

/**
 * 2 is for what earlier releases would run otherwise than it is meant, so that they refuse it. Everything else is
 * written as 1.
 */
export const ENCODER_SCHEMAS = [1, 2] as const

/** Transformers that are built from weights; the exporter's table of architectures has an entry for each. */
export const ARCHITECTURE_NAMES = [
  'bert',
  'distilbert',
  'roberta',
  'mpnet',
  'modernbert',
  'nomic_bert',
] as const
export type ArchitectureName = (typeof ARCHITECTURE_NAMES)[number]

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)

/** The graph that runs: float32 and int8 on CPUs, float16 on GPUs. */
export const precisionSchema = z.enum(['float32', 'float16', 'int8'])
export type Precision = z.infer<typeof precisionSchema>

/** An input of a graph and what is fed to it: [batch, tokens] of a text, [batch, 3, height, width] of an image. */
const graphInputSchema = z.object({
  name: z.string().min(1),
  role: z.enum(['ids', 'mask', 'types', 'pixels']),
  type: z.enum(['int32', 'int64', 'float32']),
})

/**
 * A runnable graph. `embedding` is the output [batch, dimension] with normalisation as the manifest says,
 * `pooled` the same before L2 normalisation (absent where the graph does not offer it). A foreign graph that
 * ends in hidden states names that output as `hidden`, and `pooling` is the graph that turns it into both.
 */
const graphSchema = z.object({
  fingerprint: sha256,
  file: fileName,
  data: fileName.nullable(),
  inputs: z.array(graphInputSchema).min(1).max(3),
  embedding: z.string(),
  pooled: z.string().nullable(),
  hidden: z.string().nullable(),
  pooling: fileName.nullable(),
  /** Sizes of a run that a foreign graph does not leave free; such a manifest is of schema 2. */
  shape: z
    .object({ rows: z.int().min(1).nullable(), tokens: z.int().min(2).nullable() })
    .optional(),
  /** Scales hang on all that is in a run: texts run one by one. Such a manifest is of schema 2. */
  alone: z.literal(true).optional(),
})
export type GraphSpec = z.infer<typeof graphSchema>

/** What the manifests of all encoders say. */
const common = {
  schema: z.literal(1),
  kind: z.literal('embedding'),
  name: z.string(),
  dimension: z.int().min(1).max(8192),
  normalize: z.boolean(),
  /** sha256 over what makes vectors comparable: weights, preparation of inputs, pooling, normalisation. */
  family: sha256,
  graphs: z.partialRecord(precisionSchema, graphSchema),
  /** Present with int8: the scheme's name and where its ranges come from. */
  quantization: z.object({ scheme: z.string(), calibration: fileName }).nullable(),
  minCosine: z.partialRecord(precisionSchema, z.number()),
  files: z.record(fileName, z.object({ sha256, bytes: z.int().min(0) })),
  createdWith: z.string(),
}
/** Inputs with the vectors each precision must reproduce at load, as cosine of at least `minCosine`. */
const goldenVectors = z.partialRecord(precisionSchema, z.array(z.number()))

const textManifestSchema = z.object({
  ...common,
  schema: z.literal(ENCODER_SCHEMAS),
  modality: z.literal('text'),
  /** `onnx` is a foreign graph, of whatever architecture. */
  architecture: z.enum([...ARCHITECTURE_NAMES, 'onnx']),
  maxTokens: z.int().min(2).max(32768),
  pooling: z.enum(['mean', 'cls', 'max', 'none']),
  prompts: z.record(z.string(), z.string()),
  defaultPrompt: z.string().nullable(),
  padId: z.int().min(0),
  /** Where tokens were left out: how many stay, special ones included, of how many. */
  vocabulary: z.object({ tokens: z.int().min(1), of: z.int().min(1) }).optional(),
  tokenizer: fileName,
  golden: z.array(z.object({ text: z.string(), vectors: goldenVectors })),
})

/** A value of an image network that can be its embedding. */
const transferLayerSchema = z.object({
  name: z.string(),
  operator: z.string(),
  /** Without the batch. */
  shape: z.array(z.int().min(1)),
  /** Numbers of the weights that it is computed with. */
  parameters: z.int().min(0),
})
export type TransferLayer = z.infer<typeof transferLayerSchema>

const imageManifestSchema = z.object({
  ...common,
  modality: z.literal('image'),
  architecture: z.literal('onnx'),
  preprocessing: imagePreprocessingSchema,
  /** The layer that the graph is cut at; feature maps [channels, height, width] are averaged. */
  layer: z.string(),
  pooling: z.enum(['mean', 'none']),
  /** Where else the network could have been cut. */
  layers: z.array(transferLayerSchema),
  /** Heads that are the network's own output layer, by the model names that they are published under. */
  outputs: z.array(z.string()),
  /** What an image counts in the unit of the queue, whatever its size. */
  tokens: z.int().min(1),
  /** The image's file, in base64. */
  golden: z.array(z.object({ image: z.base64(), vectors: goldenVectors })),
})

/** One encoder artifact: what it computes, which files it is made of, and vectors that prove a load. */
export const encoderManifestSchema = z.discriminatedUnion('modality', [
  textManifestSchema,
  imageManifestSchema,
])
export type TextEncoderManifest = z.infer<typeof textManifestSchema>
export type ImageEncoderManifest = z.infer<typeof imageManifestSchema>
export type EncoderManifest = TextEncoderManifest | ImageEncoderManifest

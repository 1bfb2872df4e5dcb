import { z } from 'zod'

/** The file name of an encoder's manifest inside its artifact folder. */
export const ENCODER_MANIFEST_FILE = 'encoder.json'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)

/** The graph that runs: float32 and int8 on CPUs, float16 on GPUs. */
export const precisionSchema = z.enum(['float32', 'float16', 'int8'])
export type Precision = z.infer<typeof precisionSchema>

/** An input of a graph and what is fed to it. All text inputs have shape [batch, tokens]. */
const graphInputSchema = z.object({
  name: z.string().min(1),
  role: z.enum(['ids', 'mask', 'types']),
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
})
export type GraphSpec = z.infer<typeof graphSchema>

/** One encoder artifact: what it computes, which files it is made of, and vectors that prove a load. */
export const encoderManifestSchema = z.object({
  schema: z.literal(1),
  kind: z.literal('embedding'),
  modality: z.literal('text'),
  name: z.string(),
  architecture: z.enum(['bert', 'distilbert', 'roberta', 'onnx']),
  dimension: z.int().min(1).max(8192),
  maxTokens: z.int().min(2).max(32768),
  pooling: z.enum(['mean', 'cls', 'max', 'none']),
  normalize: z.boolean(),
  prompts: z.record(z.string(), z.string()),
  defaultPrompt: z.string().nullable(),
  padId: z.int().min(0),
  /** sha256 over what makes vectors comparable: weights, tokenizer, pooling, normalisation, prompts. */
  family: sha256,
  tokenizer: fileName,
  graphs: z.partialRecord(precisionSchema, graphSchema),
  /** Present with int8: the scheme's name and where its ranges come from. */
  quantization: z.object({ scheme: z.string(), calibration: fileName }).nullable(),
  /** Texts with the vectors each precision must reproduce at load, as cosine of at least `minCosine`. */
  golden: z.array(
    z.object({
      text: z.string(),
      vectors: z.partialRecord(precisionSchema, z.array(z.number())),
    }),
  ),
  minCosine: z.partialRecord(precisionSchema, z.number()),
  files: z.record(fileName, z.object({ sha256, bytes: z.int().min(0) })),
  createdWith: z.string(),
})
export type EncoderManifest = z.infer<typeof encoderManifestSchema>

import { z } from 'zod'
import { choice, variables, whole } from './config-fields.ts'

const promptsSchema = z.record(z.string().min(1).max(100), z.string().max(10_000))

/** What is said of the folders that a process opens encoders from, where they leave it open. */
export const encoderFields = {
  encoderPooling: z.enum(['mean', 'cls', 'max']).optional().register(variables, {
    variable: 'ESPALIER_ENCODER_POOLING',
    unit: '',
    allowed: 'one of mean, cls, max',
    doc: 'How the vectors of tokens become one, for folders of encoders that do not say it.',
    defaultText: 'as the folder says',
  }),
  encoderMaxTokens: whole(2, 32_768).optional().register(variables, {
    variable: 'ESPALIER_ENCODER_MAX_TOKENS',
    unit: 'tokens',
    allowed: 'a whole number from 2 to 32768',
    doc: 'Longest input of encoders that are opened from folders.',
    defaultText: 'as the folder says',
  }),
  encoderPrompts: z
    .string()
    .max(65_536)
    .transform(parsePrompts)
    .refine((prompts) => prompts !== null)
    .transform((prompts) => prompts ?? {})
    .optional()
    .register(variables, {
      variable: 'ESPALIER_ENCODER_PROMPTS',
      unit: '',
      allowed: 'a JSON object of texts by name, such as {"query":"query: "}',
      doc: 'Prompts of encoders that are opened from folders, beside those of the folder.',
      defaultText: 'as the folder says',
    }),
  encoderHeadless: choice(['0', '1'], '0', {
    variable: 'ESPALIER_ENCODER_HEADLESS',
    doc: 'With 1, the encoder of a folder that holds a classifier or a language model is taken without its output layer.',
  }),
  encoderOnnx: z.string().max(300).optional().register(variables, {
    variable: 'ESPALIER_ENCODER_ONNX',
    unit: '',
    allowed: 'the path of a file in the folder, such as onnx/model_fp16.onnx',
    doc: 'ONNX file to take of a folder that holds several.',
    defaultText: 'model.safetensors, else onnx/model.onnx',
  }),
}

function parsePrompts(text: string): Record<string, string> | null {
  try {
    return promptsSchema.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

import { z } from 'zod'

/** A text or a list of texts, the inputs of every text route. The most a list may hold is a setting. */
export const textInputsSchema = z
  .union([z.string(), z.array(z.string())])
  .describe('A text, or a list of texts. No text may be empty.')

/** A model as a client names it. */
export const modelAddressSchema = z
  .string()
  .max(200)
  .describe('`name`, `name@alias` or `name@v7`; the default encoder where it is left out.')

import { z } from 'zod'

const model = z.string().describe('The name, or `name@v7` of a version that was not taken.')
const version = z.int().min(1).nullable()

/** One change that a look at the registry brought. */
const changeSchema = z.discriminatedUnion('change', [
  z.object({ model, change: z.enum(['added', 'removed']) }),
  z.object({ model, change: z.literal('alias'), alias: z.string(), from: version, to: version }),
  z.object({
    model,
    change: z.literal('traffic'),
    traffic: z.array(z.object({ version: z.int(), percent: z.int() })).nullable(),
  }),
  z.object({
    model,
    change: z.literal('shadow'),
    shadow: z.object({ version: z.int(), sample_percent: z.number() }).nullable(),
  }),
  z.object({ model, change: z.enum(['refused', 'waiting']), reason: z.string() }),
])
export type RefreshChange = z.infer<typeof changeSchema>

/** Answer of `POST /admin/refresh`. */
export const refreshSchema = z
  .object({
    object: z.literal('refresh'),
    changes: z.array(changeSchema).describe('Empty where everything was up to date.'),
  })
  .meta({ id: 'Refresh' })
export type Refresh = z.infer<typeof refreshSchema>

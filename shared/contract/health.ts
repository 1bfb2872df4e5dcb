import { z } from 'zod'

/** Answer of the health routes: 200 with `ok`, 503 otherwise. */
export const healthSchema = z
  .object({ status: z.enum(['ok', 'starting', 'stopping']) })
  .meta({ id: 'Health' })
export type Health = z.infer<typeof healthSchema>

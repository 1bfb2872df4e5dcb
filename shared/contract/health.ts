import { z } from 'zod'

/** Answer of the health routes: 200 with `ok`, 503 otherwise. Those of readiness say more. */
export const healthSchema = z
  .object({
    status: z
      .enum(['ok', 'starting', 'stopping', 'workers_lost'])
      .describe('`workers_lost`: the default encoder has no worker that answers.'),
    encoder: z.string().optional().describe('The version that the default encoder is, `name@v1`.'),
    device: z.string().optional().describe('Where it runs: `cpu`, `cuda` or `webgpu`.'),
    modality: z.enum(['text', 'image']).optional().describe('What the default encoder reads.'),
    registry: z
      .enum(['up', 'away', 'offline'])
      .optional()
      .describe(
        '`away`: it does not answer, what is loaded serves on. `offline`: not read yet, the cache serves.',
      ),
    degraded: z
      .array(z.string())
      .optional()
      .describe(
        'Models and versions that cannot be read or loaded, as `name` or `name@v2`, while all others answer; the first 50. Absent where there are none.',
      ),
  })
  .meta({ id: 'Health' })
export type Health = z.infer<typeof healthSchema>

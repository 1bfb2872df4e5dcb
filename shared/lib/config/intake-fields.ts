import { z } from 'zod'
import { integer, variables, whole } from './config-fields.ts'
import { type KeyLimit, parseKeyLimits } from './key-limits.ts'

const MIB = 1024 * 1024

/** What bounds bodies while they arrive, apart from the requests that are being answered, and what images cost. */
export const intakeFields = {
  maxWaitingBodies: integer(1, 65_536, 4096, {
    variable: 'ESPALIER_MAX_WAITING_BODIES',
    unit: 'requests',
    doc: 'Most requests whose bodies are still arriving. For a further one, the body that has been silent longest is given up with 408.',
  }),
  maxWaitingBytes: integer(1024, 65_536 * MIB, 128 * MIB, {
    variable: 'ESPALIER_MAX_WAITING_BYTES',
    unit: 'bytes',
    doc: 'Most bytes of bodies that are still arriving. Silent bodies are given up with 408, else further ones get 429.',
  }),
  addressShare: integer(1, 100, 50, {
    variable: 'ESPALIER_ADDRESS_SHARE',
    unit: 'percent',
    doc: 'Share of both limits on arriving bodies that one address may use. 100 for servers behind one proxy that does not buffer.',
  }),
  minBodyRate: integer(0, 1_000_000_000, 500, {
    variable: 'ESPALIER_MIN_BODY_RATE',
    unit: 'bytes a second',
    doc: 'Lowest rate at which a body must arrive, over each 10 seconds, then 408. 0 asks for none.',
  }),
  maxRequestPixels: integer(1, 1_000_000_000_000, 400_000_000, {
    variable: 'ESPALIER_MAX_REQUEST_PIXELS',
    unit: 'pixels',
    doc: 'Most pixels of the images of one request together, width times height as their headers say. Equal images count once.',
  }),
  maxDecodePixels: whole(1, 1_000_000_000_000).optional().register(variables, {
    variable: 'ESPALIER_MAX_DECODE_PIXELS',
    unit: 'pixels',
    allowed: 'a whole number from 1 to 1000000000000',
    doc: 'Most pixels that all workers decode at once, some 10 bytes of memory each. Further images wait.',
    defaultText: '64000000, or 16000000 for each worker',
  }),
  keyLimits: z
    .string()
    .max(262_144)
    .transform(parseKeyLimits)
    .refine((limits) => limits !== null)
    .transform((limits) => limits ?? new Map<string, KeyLimit>())
    .optional()
    .register(variables, {
      variable: 'ESPALIER_KEY_LIMITS',
      unit: 'a minute',
      allowed:
        'name:weight=2+requests=600+tokens=100000 entries with commas between them, * for all other keys',
      doc: 'Limits of API keys, of this process alone, and their weights while they wait. Parts that are left out do not limit.',
      defaultText: 'none',
    }),
}

import { z } from 'zod'
import { choice, variables } from './config-fields.ts'

/** The ARN of a secret of Secrets Manager, or of a parameter of SSM; its groups are service and region. */
export const SECRET_ARN =
  /^arn:aws[a-z-]*:(?:(secretsmanager):([a-z0-9-]{1,32}):[0-9]{12}:secret:|(ssm):([a-z0-9-]{1,32}):[0-9]{12}:parameter\/)[A-Za-z0-9/_+=.@-]{1,1011}$/

const HOST = '(?:[a-z0-9-]+(?:\\.[a-z0-9-]+)*|\\[[0-9a-f:.]+\\])'
const HOSTS = new RegExp(`^(?:\\*|${HOST}(?:,${HOST})*)$`, 'i')
const ORIGIN = `https?://${HOST}(?::[0-9]{1,5})?`
const ORIGINS = new RegExp(`^(?:\\*|${ORIGIN}(?:,${ORIGIN})*)$`, 'i')
const split = (list: string) => list.toLowerCase().split(',')

/** The settings that say who may call, in the order of documentation. */
export const accessFields = {
  adminToken: z
    .string()
    .regex(/^[A-Za-z0-9._~+/=-]{16,512}$/)
    .optional()
    .register(variables, {
      variable: 'ESPALIER_ADMIN_TOKEN',
      unit: '',
      allowed: '16 to 512 letters, digits and . _ ~ + / = -',
      doc: 'Bearer token of the admin routes and of the metrics.',
      defaultText: 'none',
      secret: true,
    }),
  adminLocal: choice(['0', '1'], '0', {
    variable: 'ESPALIER_ADMIN_LOCAL',
    doc: 'With 1, and without keys and a token, the admin routes answer to callers on this machine. Only for a machine without a proxy, whose callers would look the same.',
  }),
  apiKeys: z.string().max(262_144).optional().register(variables, {
    variable: 'ESPALIER_API_KEYS',
    unit: '',
    allowed: 'name:scope+scope:sha256 entries with commas between them',
    doc: 'API keys of callers, as sha256 with their scopes: infer, train, admin.',
    defaultText: 'none',
    secret: true,
  }),
  apiKeysFile: z.string().max(4096).optional().register(variables, {
    variable: 'ESPALIER_API_KEYS_FILE',
    unit: '',
    allowed: 'a file of at most 1 MiB',
    doc: 'File of further keys, one a line. Lines that begin with # are ignored. It is read anew like a secret.',
    defaultText: 'none',
  }),
  apiKeysFrom: z.string().regex(SECRET_ARN).optional().register(variables, {
    variable: 'ESPALIER_API_KEYS_FROM',
    unit: '',
    allowed: 'the ARN of a secret of Secrets Manager, or of a parameter of SSM',
    doc: 'Secret on AWS with further keys, one a line. A server takes over what changes there within a minute.',
    defaultText: 'none',
    // Nobody should paste a key here; who does finds it in no log.
    secret: true,
  }),
  open: choice(['0', '1'], '0', {
    variable: 'ESPALIER_OPEN',
    doc: 'With 1, a server without API keys may listen beyond this machine. For use behind a gateway that checks callers.',
  }),
  hosts: z.string().max(4096).regex(HOSTS).transform(split).optional().register(variables, {
    variable: 'ESPALIER_HOSTS',
    unit: '',
    allowed: 'host names without ports, with commas between them, or *',
    doc: 'Host names that requests may be for, beside those of this machine itself. * takes any.',
    defaultText: 'any; without keys and with a HOST of this machine only, its own',
  }),
  corsOrigins: z.string().max(4096).regex(ORIGINS).transform(split).optional().register(variables, {
    variable: 'ESPALIER_CORS_ORIGINS',
    unit: '',
    allowed: 'origins such as https://app.example.com, with commas between them, or *',
    doc: 'Origins of web pages whose scripts may call (CORS). * takes any, where there are no API keys.',
    defaultText: 'none',
  }),
}

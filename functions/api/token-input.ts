import { EspalierError } from '../../shared/lib/errors.ts'

/**
 * Refuses token ids in place of texts: they come from the caller's tokenizer, and another vocabulary
 * would turn them into nonsense without a word.
 * @throws EspalierError `token_input_unsupported`
 */
export function refuseTokenInput(body: unknown): void {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'input')) return
  const { input } = body as { readonly input: unknown }
  if (!Array.isArray(input)) return
  const first: unknown = input[0]
  if (typeof first !== 'number' && !(Array.isArray(first) && typeof first[0] === 'number')) return
  throw new EspalierError(
    'token_input_unsupported',
    'input holds token ids; send texts (in LangChain for Python: OpenAIEmbeddings(check_embedding_ctx_length=False))',
    { param: 'input' },
  )
}

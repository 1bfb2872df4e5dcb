import type { Pooling } from './source-config.ts'

/** What a published model's own files say of the layouts that leave it out. */
export interface KnownFamily {
  /** The names that its models are published under, without their owner. */
  readonly names: RegExp
  /** What other names of its kind have in common: enough to say what is likely. */
  readonly kind: RegExp
  /** `model_type`, hidden size, layers and vocabulary of its models. */
  readonly shapes: readonly (readonly [
    type: string,
    hidden: number,
    layers: number,
    vocabulary: number,
  ])[]
  readonly pooling: Pooling
  readonly maxTokens: number
  readonly prompts: Readonly<Record<string, string>>
  /** The repositories whose 1_Pooling, sentence_bert_config.json and model card say so. */
  readonly source: string
}

const ENGLISH = 30_522
const CHINESE = 21_128
const MANY = 250_002
/** multilingual-e5-small and paraphrase-multilingual-MiniLM count their vocabulary without added tokens. */
const MANY_BERT = 250_037
const RETRIEVAL = 'Represent this sentence for searching relevant passages: '
const CHINESE_RETRIEVAL = '为这个句子生成表示以用于检索相关文章：'
const E5 = { query: 'query: ', passage: 'passage: ' }

/** Published encoders whose files are often passed on without what sentence-transformers adds to them. */
export const KNOWN_FAMILIES: readonly KnownFamily[] = [
  {
    names: /^bge-(?:small|base|large)-en(?:-v1\.5)?$/,
    kind: /\bbge-/,
    shapes: [
      ['bert', 384, 12, ENGLISH],
      ['bert', 768, 12, ENGLISH],
      ['bert', 1024, 24, ENGLISH],
    ],
    pooling: 'cls',
    maxTokens: 512,
    prompts: { query: RETRIEVAL },
    source: 'BAAI/bge-small-en-v1.5',
  },
  {
    names: /^bge-(?:small|base|large)-zh(?:-v1\.5)?$/,
    kind: /\bbge-/,
    shapes: [
      ['bert', 512, 4, CHINESE],
      ['bert', 768, 12, CHINESE],
      ['bert', 1024, 24, CHINESE],
    ],
    pooling: 'cls',
    maxTokens: 512,
    prompts: { query: CHINESE_RETRIEVAL },
    source: 'BAAI/bge-small-zh-v1.5',
  },
  {
    names: /^bge-m3$/,
    kind: /\bbge-/,
    shapes: [['xlm-roberta', 1024, 24, MANY]],
    pooling: 'cls',
    maxTokens: 8192,
    prompts: {},
    source: 'BAAI/bge-m3',
  },
  {
    names: /^snowflake-arctic-embed-(?:xs|s|m|l|m-v1\.5)$/,
    kind: /\barctic-embed/,
    shapes: [
      ['bert', 384, 6, ENGLISH],
      ['bert', 384, 12, ENGLISH],
      ['bert', 768, 12, ENGLISH],
      ['bert', 1024, 24, ENGLISH],
    ],
    pooling: 'cls',
    maxTokens: 512,
    prompts: { query: RETRIEVAL },
    source: 'Snowflake/snowflake-arctic-embed-m',
  },
  {
    names: /^snowflake-arctic-embed-l-v2\.0$/,
    kind: /\barctic-embed/,
    shapes: [['xlm-roberta', 1024, 24, MANY]],
    pooling: 'cls',
    maxTokens: 8192,
    prompts: { query: 'query: ' },
    source: 'Snowflake/snowflake-arctic-embed-l-v2.0',
  },
  {
    names: /^mxbai-embed-(?:2d-)?large-v1$/,
    kind: /\bmxbai-embed/,
    shapes: [['bert', 1024, 24, ENGLISH]],
    pooling: 'cls',
    maxTokens: 512,
    prompts: { query: RETRIEVAL },
    source: 'mixedbread-ai/mxbai-embed-large-v1',
  },
  {
    names: /^gte-(?:small|base|large)$/,
    kind: /\bgte-(?:small|base|large)(?!-(?:en|zh))/,
    shapes: [
      ['bert', 384, 12, ENGLISH],
      ['bert', 768, 12, ENGLISH],
      ['bert', 1024, 24, ENGLISH],
    ],
    pooling: 'mean',
    maxTokens: 512,
    prompts: {},
    source: 'thenlper/gte-base',
  },
  {
    names: /^gte-(?:base|large)-en-v1\.5$|^gte-multilingual-base$/,
    kind: /\bgte-(?:base|large)-en-|\bgte-multilingual/,
    shapes: [
      ['new', 768, 12, 30_528],
      ['new', 1024, 24, 30_528],
      ['new', 768, 12, 250_048],
    ],
    pooling: 'cls',
    maxTokens: 8192,
    prompts: {},
    source: 'Alibaba-NLP/gte-base-en-v1.5',
  },
  {
    names: /^e5-(?:small|base|large)(?:-v2)?$/,
    kind: /\be5-/,
    shapes: [
      ['bert', 384, 12, ENGLISH],
      ['bert', 768, 12, ENGLISH],
      ['bert', 1024, 24, ENGLISH],
    ],
    pooling: 'mean',
    maxTokens: 512,
    prompts: E5,
    source: 'intfloat/e5-small-v2',
  },
  {
    names: /^multilingual-e5-(?:small|base|large)$/,
    kind: /\be5-/,
    shapes: [
      ['bert', 384, 12, MANY_BERT],
      ['xlm-roberta', 768, 12, MANY],
      ['xlm-roberta', 1024, 24, MANY],
    ],
    pooling: 'mean',
    maxTokens: 512,
    prompts: E5,
    source: 'intfloat/multilingual-e5-small',
  },
  {
    names: /^all-minilm-l6-v2$/,
    kind: /\ball-minilm/,
    shapes: [['bert', 384, 6, ENGLISH]],
    pooling: 'mean',
    maxTokens: 256,
    prompts: {},
    source: 'sentence-transformers/all-MiniLM-L6-v2',
  },
  {
    names: /^all-minilm-l12-v2$/,
    kind: /\ball-minilm/,
    shapes: [['bert', 384, 12, ENGLISH]],
    pooling: 'mean',
    maxTokens: 128,
    prompts: {},
    source: 'sentence-transformers/all-MiniLM-L12-v2',
  },
  {
    names: /^paraphrase-minilm-l(?:3|6|12)-v2$/,
    kind: /\bparaphrase-/,
    shapes: [
      ['bert', 384, 3, ENGLISH],
      ['bert', 384, 6, ENGLISH],
      ['bert', 384, 12, ENGLISH],
    ],
    pooling: 'mean',
    maxTokens: 128,
    prompts: {},
    source: 'sentence-transformers/paraphrase-MiniLM-L6-v2',
  },
  {
    names: /^paraphrase-multilingual-minilm-l12-v2$/,
    kind: /\bparaphrase-/,
    shapes: [['bert', 384, 12, MANY_BERT]],
    pooling: 'mean',
    maxTokens: 128,
    prompts: {},
    source: 'sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2',
  },
  {
    names: /^all-mpnet-base-v2$/,
    kind: /\bmpnet-base/,
    shapes: [['mpnet', 768, 12, 30_527]],
    pooling: 'mean',
    maxTokens: 384,
    prompts: {},
    source: 'sentence-transformers/all-mpnet-base-v2',
  },
  {
    names: /^all-distilroberta-v1$/,
    kind: /\bdistilroberta/,
    shapes: [['roberta', 768, 6, 50_265]],
    pooling: 'mean',
    maxTokens: 512,
    prompts: {},
    source: 'sentence-transformers/all-distilroberta-v1',
  },
]

/** What the choice of a method is for, the default first. */
export const OPTIMISED = ['log-loss', 'accuracy', 'macro-f1'] as const
export type Optimise = (typeof OPTIMISED)[number]

/** Weights of rows by class, the default first. */
export const CLASS_WEIGHTS = ['none', 'balanced', 'auto'] as const
export type ClassWeight = (typeof CLASS_WEIGHTS)[number]

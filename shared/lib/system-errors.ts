/** What the operating system refuses for reasons that the machine's owner can mend: why, and how. */
const REFUSALS: Readonly<Record<string, { readonly why: string; readonly fix: string }>> = {
  ENOSPC: { why: 'the disk is full', fix: 'free some space' },
  EDQUOT: { why: 'the disk quota is used up', fix: 'free some space' },
  EACCES: { why: 'permission denied', fix: 'let this process read and write there' },
  EPERM: { why: 'permission denied', fix: 'let this process read and write there' },
  ELOOP: { why: 'a link leads back to itself', fix: 'put the file itself there' },
  EISDIR: { why: 'it is a folder, not a file', fix: 'put the file itself there' },
  EIO: { why: 'the disk cannot be read', fix: 'check the disk' },
  EROFS: { why: 'the file system is read-only', fix: 'mount it for writing' },
  EMFILE: { why: 'too many files are open', fix: 'raise the limit of open files, ulimit -n' },
  ENFILE: { why: 'too many files are open', fix: 'raise the limit of open files of the system' },
}

/** The code of a failed system call, or undefined for other errors. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/**
 * Why the operating system refused, and what to do: `the disk is full (ENOSPC); free some space`. Null for errors of
 * another kind.
 * @param elsewhere how to use another place, such as `set ESPALIER_CACHE to another folder`
 */
export function explainRefusal(error: unknown, elsewhere?: string): string | null {
  const code = systemCode(error) ?? ''
  const refusal = Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined
  if (refusal === undefined) return null
  // Open files are counted for the whole process: another folder does not help.
  const isOfPlace = code !== 'EMFILE' && code !== 'ENFILE'
  const or = elsewhere === undefined || !isOfPlace ? '' : `, or ${elsewhere}`
  return `${refusal.why} (${code}); ${refusal.fix}${or}`
}

/** The same for any error: the message of one that is no refusal. */
export function explainFault(error: unknown, elsewhere?: string): string {
  const message = error instanceof Error ? error.message : String(error)
  return explainRefusal(error, elsewhere) ?? message
}

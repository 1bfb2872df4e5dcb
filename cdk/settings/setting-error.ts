/** A deployment that cannot be: the message names the setting, what it is, and what it must be. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

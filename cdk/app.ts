/** What `cdk synth` and `cdk deploy` run: the stacks that the context asks for. */
import { App } from 'aws-cdk-lib'
import { composeApp } from './compose.ts'
import { SettingError } from './settings/setting-error.ts'

try {
  composeApp(new App(), { defaultRegion: process.env.CDK_DEFAULT_REGION })
} catch (error) {
  if (!(error instanceof SettingError)) throw error
  console.error(`espalier: ${error.message}`)
  process.exitCode = 1
}

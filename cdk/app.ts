/** What `cdk synth` and `cdk deploy` run: the stacks that the context asks for. */
import { fileURLToPath } from 'node:url'
import { App } from 'aws-cdk-lib'
import { composeApp } from './compose.ts'
import { NO_DEPLOYMENT_FILE, openDeployment } from './settings/deployment.ts'
import { SettingError } from './settings/setting-error.ts'

try {
  const app = new App()
  const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: defaultRegion, INIT_CWD } = process.env
  // The CDK starts in cdk/; npm says where the command was typed.
  const folders = [process.cwd(), ...(INIT_CWD ? [INIT_CWD] : []), pathOf('..')]
  const deployment = openDeployment(app, { folders, cdkJson: pathOf('cdk.json'), account })
  if (deployment === null) console.error(`espalier: ${NO_DEPLOYMENT_FILE}`)
  composeApp(app, { defaultRegion, deployment })
} catch (error) {
  if (!(error instanceof SettingError)) throw error
  console.error(`espalier: ${error.message}`)
  process.exitCode = 1
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

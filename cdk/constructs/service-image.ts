import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Annotations, Arn, ArnFormat, Stack } from 'aws-cdk-lib'
import { Repository } from 'aws-cdk-lib/aws-ecr'
import {
  DockerImageAsset,
  type DockerImageAssetOptions,
  Platform,
} from 'aws-cdk-lib/aws-ecr-assets'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import { DockerImageCode } from 'aws-cdk-lib/aws-lambda'
import type { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'

/** Kinds of processors that images are made for. */
export type Architecture = 'x86_64' | 'arm64'

/** Targets of infra/docker/Dockerfile. */
export type ImageTarget = 'cpu' | 'gpu'

/** What to build where no image is named. */
export interface SourceImageProps {
  readonly target: ImageTarget
  readonly architecture: Architecture
  /**
   * Arguments of the build, such as digests of the images that it starts from.
   * @default none
   */
  readonly buildArgs?: Readonly<Record<string, string>>
  /**
   * A clone of Espalier, whose infra/docker/Dockerfile is built.
   * @default the one that these constructs lie in; the package espalier-cdk lies in none
   */
  readonly folder?: string
}

interface PinnedImage {
  readonly architecture: Architecture
  readonly account: string
  readonly region: string
  readonly name: string
  readonly digest: string
}

/** The clone that this file lies in; in the package, the package itself. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const DOCKERFILE = 'infra/docker/Dockerfile'
const REFERENCE =
  /^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/([a-z0-9][a-z0-9._/-]{0,255})@(sha256:[0-9a-f]{64})$/

/** The image that every container runs: one of ECR by its digest, or one that `cdk deploy` builds from this folder. */
export class ServiceImage {
  readonly #source: SourceImageProps | undefined
  readonly #pinned: PinnedImage | undefined

  private constructor(source: SourceImageProps | undefined, pinned: PinnedImage | undefined) {
    this.#source = source
    this.#pinned = pinned
  }

  /** The processor that the image is made for. */
  get architecture(): Architecture {
    return (this.#pinned ?? this.#source)!.architecture
  }

  /** The region of the repository; undefined for an image that is built. */
  get region(): string | undefined {
    return this.#pinned?.region
  }

  /**
   * An image by digest: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/espalier@sha256:…`. The digest must be that of
   * an image for one processor, which cannot be seen here; Lambda refuses an index of several.
   * @throws SettingError for anything that could change its meaning, such as a tag
   */
  static fromDigest(reference: string, architecture: Architecture = 'x86_64'): ServiceImage {
    const [, account, region, name, digest] = REFERENCE.exec(reference) ?? []
    if (!account || !region || !name || !digest) {
      throw new SettingError(
        `the image is "${reference}"; it must be ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST, for a tag can change its meaning`,
      )
    }
    return new ServiceImage(undefined, { architecture, account, region, name, digest })
  }

  /**
   * Built and pushed by `cdk deploy`, which needs docker and a clone of Espalier; `cdk synth` needs the clone alone.
   * Using it throws a SettingError where there is none.
   */
  static fromSource(props: SourceImageProps): ServiceImage {
    return new ServiceImage(props, undefined)
  }

  /** @throws SettingError where the image is made for another processor than what would run it */
  requireArchitecture(what: string, wanted: Architecture): void {
    if (this.architecture === wanted) return
    throw new SettingError(
      `the image is for ${this.architecture} and ${what} for ${wanted}; name an image for ${wanted}, and say so where it is named`,
    )
  }

  /** The image as a Lambda function runs it. @throws SettingError where it lies in another region */
  lambdaCode(scope: Construct): DockerImageCode {
    if (this.#pinned === undefined) {
      const { directory, ...options } = this.#build(scope)
      return DockerImageCode.fromImageAsset(directory, options)
    }
    const { region, digest } = this.#pinned
    const ours = Stack.of(scope).region
    if (region !== ours) {
      throw new SettingError(
        `the image lies in ${region} and the function in ${ours}; Lambda runs images of its own region: push it to ${ours}`,
      )
    }
    return DockerImageCode.fromEcr(this.#repository(scope), { tagOrDigest: digest })
  }

  /** The image as a container of ECS or Batch runs it. */
  containerImage(scope: Construct): ContainerImage {
    if (this.#pinned !== undefined) {
      return ContainerImage.fromEcrRepository(this.#repository(scope), this.#pinned.digest)
    }
    const id = 'Image'
    const existing = scope.node.tryFindChild(id) as DockerImageAsset | undefined
    return ContainerImage.fromDockerImageAsset(
      existing ?? new DockerImageAsset(scope, id, this.#build(scope)),
    )
  }

  #repository(scope: Construct) {
    const { account, region, name } = this.#pinned!
    return Repository.fromRepositoryAttributes(scope, 'Repository', {
      repositoryName: name,
      repositoryArn: Arn.format({
        partition: 'aws',
        service: 'ecr',
        region,
        account,
        resource: 'repository',
        resourceName: name,
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      }),
    })
  }

  #build(scope: Construct): DockerImageAssetOptions & { readonly directory: string } {
    const { target, architecture, buildArgs = {}, folder = ROOT } = this.#source!
    if (target === 'gpu') this.requireArchitecture('what runs on GPUs', 'x86_64')
    if (!existsSync(join(folder, DOCKERFILE))) {
      throw new SettingError(
        `there is no ${DOCKERFILE} in ${folder} to build the image from; name an image with -c image.${target}=…@sha256:… or ServiceImage.fromDigest, or the folder of a clone`,
      )
    }
    if (Object.keys(buildArgs).length === 0) {
      Annotations.of(scope).addWarningV2(
        'espalier:image-args',
        `image.args is missing: the image is built from others by digest; give -c image.args="$(infra/docker/resolve-digests.sh ${target})", or an image with -c image.${target}=…`,
      )
    }
    return {
      directory: folder,
      file: DOCKERFILE,
      target,
      platform: architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
      buildArgs: { ...buildArgs },
      // What .dockerignore leaves in and synthesis makes: it must not change the name of the image.
      exclude: ['cdk', 'docs', '**/node_modules', '.git'],
    }
  }
}

// check DOCKERFILE TARGET [--platform OS/ARCHITECTURE] [--build-arg NAME=VALUE]...: converts a Dockerfile as
// `docker build` does, with BuildKit's own library, without docker and without network. Prints the base images that
// the target needs, one a line and sorted. Ends with 1 and BuildKit's message where the build could not start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// buildArgs reads `--build-arg NAME=VALUE`, as often as it is given.
type buildArgs map[string]string

func (args buildArgs) String() string { return "" }

func (args buildArgs) Set(pair string) error {
	name, value, found := strings.Cut(pair, "=")
	if !found || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", pair)
	}
	args[name] = value
	return nil
}

// bases answers for a registry: every image exists, for every platform. It keeps what was asked for.
type bases struct {
	sync.Mutex
	asked map[string]bool
}

func (b *bases) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	b.Lock()
	defer b.Unlock()
	b.asked[ref] = true
	platform := platforms.DefaultSpec()
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		platform = *opt.ImageOpt.Platform
	}
	config := fmt.Sprintf(`{"architecture":%q,"os":%q,"config":{"Env":["PATH=/usr/bin"]}}`, platform.Architecture, platform.OS)
	return ref, "", []byte(config), nil
}

func check(words []string) ([]string, error) {
	if len(words) < 2 {
		return nil, errors.New("usage: check DOCKERFILE TARGET [--platform OS/ARCHITECTURE] [--build-arg NAME=VALUE]...")
	}
	args := buildArgs{}
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	platform := flags.String("platform", "linux/amd64", "operating system and architecture of the image")
	flags.Var(args, "build-arg", "NAME=VALUE, as resolve-digests.sh prints it")
	if err := flags.Parse(words[2:]); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no option", flags.Arg(0))
	}
	wanted, err := platforms.Parse(*platform)
	if err != nil {
		return nil, err
	}
	dockerfile, err := os.ReadFile(words[0])
	if err != nil {
		return nil, err
	}
	resolver := &bases{asked: map[string]bool{}}
	_, err = dockerfile2llb.Dockerfile2LLB(context.Background(), dockerfile, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: args, Target: words[1], BuildPlatforms: []ocispecs.Platform{wanted}},
		TargetPlatform: &wanted,
		MetaResolver:   resolver,
	})
	return slices.Sorted(maps.Keys(resolver.asked)), err
}

func main() {
	needed, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, base := range needed {
		fmt.Println(base)
	}
}

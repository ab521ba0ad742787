// Command wasmcheck checks the built filters against what stock Envoy can run and what artifacts.json allows.
//
//	wasmcheck -build build              checks every artifact
//	wasmcheck -build build jwt-filter   checks one
//	wasmcheck -print exports jwt-filter prints the exports that it must have, separated by commas; tags: the build tags that it
//	                                    is compiled with; gc: its garbage collector
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	file := flag.String("artifacts", "toolchain/artifacts.json", "what each artifact may be")
	build := flag.String("build", "build", "where the artifacts are")
	what := flag.String("print", "", "print the exports, tags or gc of one artifact and exit")
	flag.Parse()
	if err := run(*file, *build, *what, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "wasmcheck:", err)
		os.Exit(1)
	}
}

func run(file, build, what string, names []string) error {
	artifacts, err := ReadArtifacts(file)
	if err != nil {
		return err
	}
	if what != "" {
		return tell(artifacts, what, names)
	}
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(artifacts))
	}
	failed := 0
	for _, name := range names {
		a, ok := artifacts[name]
		if !ok {
			return fmt.Errorf("%s has no artifact %q", file, name)
		}
		path := filepath.Join(build, name+".wasm")
		module, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		faults := Check(module, a)
		for _, fault := range faults {
			fmt.Fprintf(os.Stderr, "%s: %s\n", path, fault)
		}
		if len(faults) == 0 {
			fmt.Printf("%s: imports, exports and size (%d of at most %d bytes) are as they should be\n", path, len(module), a.MaxBytes)
		}
		failed += len(faults)
	}
	if failed > 0 {
		return fmt.Errorf("%d faults", failed)
	}
	return nil
}

// tell says one thing about one artifact.
func tell(artifacts map[string]Artifact, what string, names []string) error {
	if len(names) != 1 {
		return fmt.Errorf("-print %s: name one artifact", what)
	}
	a, ok := artifacts[names[0]]
	if !ok {
		return fmt.Errorf("there is no artifact %q", names[0])
	}
	switch what {
	case "exports":
		fmt.Println(strings.Join(a.Exports, ","))
	case "tags":
		fmt.Println(strings.Join(a.Tags, ","))
	case "gc":
		fmt.Println(a.GC)
	default:
		return fmt.Errorf("-print %s: expected exports, tags or gc", what)
	}
	return nil
}

// Command wasmcheck checks the built filters against what stock Envoy can run and what artifacts.json allows.
//
//	wasmcheck -build build              checks every artifact
//	wasmcheck -build build jwt-filter   checks one
//	wasmcheck -exports jwt-filter       prints the exports that it must have, separated by commas
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
	exports := flag.String("exports", "", "print the exports of this artifact and exit")
	flag.Parse()
	if err := run(*file, *build, *exports, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "wasmcheck:", err)
		os.Exit(1)
	}
}

func run(file, build, exports string, names []string) error {
	artifacts, err := ReadArtifacts(file)
	if err != nil {
		return err
	}
	if exports != "" {
		a, ok := artifacts[exports]
		if !ok {
			return fmt.Errorf("%s has no artifact %q", file, exports)
		}
		fmt.Println(strings.Join(a.Exports, ","))
		return nil
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

package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary is the stock Envoy to run: the executable that ENVOY_PATH names.
func Binary() (string, error) {
	path := os.Getenv("ENVOY_PATH")
	if path == "" {
		return "", errors.New("envoy: ENVOY_PATH does not name an Envoy binary: run `make demo` or `make e2e`, " +
			"which set it, or `ENVOY_PATH=$(make -s envoy-path) go ...`")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("envoy: ENVOY_PATH: %w (`make -s envoy-path` prints one that exists)", err)
	}
	return path, nil
}

// Validate has Envoy read a configuration without serving. Relative file names
// in it are taken from dir.
func Validate(ctx context.Context, dir, config string) error {
	binary, err := Binary()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, binary, "--mode", "validate", "-c", config, "--log-level", "warning")
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("envoy: %s: %w\n%s", config, err, output)
	}
	return nil
}

// WasmFile is the absolute path of a compiled filter, such as "jwt-filter", in
// the folder that PALISADE_BUILD_DIR names, else in build/ of this module.
func WasmFile(filter string) (string, error) {
	dir := os.Getenv("PALISADE_BUILD_DIR")
	if dir == "" {
		root, err := ModuleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "build")
	}
	path, err := filepath.Abs(filepath.Join(dir, filter+".wasm"))
	if err != nil {
		return "", fmt.Errorf("envoy: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("envoy: the compiled filter is missing: %w (run `make build`)", err)
	}
	return path, nil
}

// ModuleRoot is the nearest folder at or above the working directory that
// holds a go.mod.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("envoy: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("envoy: no go.mod at or above the working directory; set PALISADE_BUILD_DIR")
		}
		dir = parent
	}
}

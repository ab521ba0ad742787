package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/toolchain/wasmfile"
)

//go:embed envoy-imports.txt
var envoyImports string

// An Artifact is what one module may be.
type Artifact struct {
	Package  string   `json:"package"`  // directory of its main package
	Exports  []string `json:"exports"`  // sorted, exactly these
	Tags     []string `json:"tags"`     // build tags
	GC       string   `json:"gc"`       // garbage collector; "": TinyGo's precise one
	MaxBytes int      `json:"maxBytes"` // budget for its size
}

// ReadArtifacts reads artifacts.json. The exports at its top are those of every artifact, before their own.
func ReadArtifacts(file string) (map[string]Artifact, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var all struct {
		Exports   []string            `json:"exports"`
		Artifacts map[string]Artifact `json:"artifacts"`
	}
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(all.Artifacts) == 0 {
		return nil, fmt.Errorf("%s: no artifacts", file)
	}
	for name, a := range all.Artifacts {
		if a.Package == "" || a.MaxBytes <= 0 {
			return nil, fmt.Errorf("%s: %s: package and maxBytes are needed", file, name)
		}
		a.Exports = append(slices.Clone(all.Exports), a.Exports...)
		slices.Sort(a.Exports)
		a.Exports = slices.Compact(a.Exports)
		all.Artifacts[name] = a
	}
	return all.Artifacts, nil
}

// Check returns what is wrong with a module, nothing if all is well.
func Check(module []byte, want Artifact) []string {
	sections, err := wasmfile.Sections(module)
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	var types, exported []string
	for _, section := range sections {
		switch section.ID {
		case wasmfile.TypeSection:
			if types, err = wasmfile.Types(section.Body); err != nil {
				return []string{"types: " + err.Error()}
			}
		case wasmfile.ImportSection:
			imports, err := wasmfile.Imports(section.Body)
			if err != nil {
				return []string{"imports: " + err.Error()}
			}
			faults = append(faults, checkImports(imports, types)...)
		case wasmfile.ExportSection:
			exports, err := wasmfile.Exports(section.Body)
			if err != nil {
				return []string{"exports: " + err.Error()}
			}
			for _, e := range exports {
				exported = append(exported, e.Name)
			}
		}
	}
	for _, name := range want.Exports {
		if !slices.Contains(exported, name) {
			faults = append(faults, "does not export "+name)
		}
	}
	for _, name := range exported {
		if !slices.Contains(want.Exports, name) {
			faults = append(faults, fmt.Sprintf("exports %s, which artifacts.json does not list: "+
				"Envoy calls every callback that it finds, at a cost", name))
		}
	}
	if len(module) > want.MaxBytes {
		faults = append(faults, fmt.Sprintf("is %d bytes, more than its budget of %d", len(module), want.MaxBytes))
	}
	return faults
}

func checkImports(imports []wasmfile.Import, types []string) []string {
	host := EnvoyImports()
	var faults []string
	for _, i := range imports {
		name := i.Module + "." + i.Name
		if i.Kind != wasmfile.Function {
			faults = append(faults, fmt.Sprintf("imports %s, which is not a function", name))
			continue
		}
		have, ok := host[name]
		if !ok {
			faults = append(faults, fmt.Sprintf("imports %s, which stock Envoy does not implement: it would refuse the module", name))
			continue
		}
		want := "?"
		if i.Type < uint64(len(types)) {
			want = types[i.Type]
		}
		if want != have {
			faults = append(faults, fmt.Sprintf("imports %s as %s, but in stock Envoy it is %s", name, want, have))
		}
	}
	return faults
}

// EnvoyImports is what stock Envoy implements: module.name to signature.
func EnvoyImports() map[string]string {
	imports := map[string]string{}
	for line := range strings.Lines(envoyImports) {
		line = strings.TrimSpace(line)
		if name, signature, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(line, "#") {
			imports[name] = signature
		}
	}
	return imports
}

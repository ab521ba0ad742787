package configs

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// renderer replaces, in a decoded YAML document, what differs from machine to
// machine.
type renderer struct {
	certs string
	keys  json.RawMessage
	ports map[int]int
}

func (r *renderer) visit(node any) error {
	switch node := node.(type) {
	case []any:
		for _, element := range node {
			if err := r.visit(element); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, value := range node {
			replacement, err := r.replace(key, value)
			if err != nil {
				return err
			}
			node[key] = replacement
			if err := r.visit(replacement); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *renderer) replace(key string, value any) (any, error) {
	switch key {
	case "configuration":
		return r.filterConfig(value)
	case "jwks": // jwt-filter's
		return r.keys, nil
	case "inline_string": // what stands for an identity provider
		if text, ok := value.(string); ok && strings.HasPrefix(text, `{"keys"`) {
			return string(r.keys), nil
		}
	case "local_jwks": // jwt_authn's
		return map[string]any{"inline_string": string(r.keys)}, nil
	case "filename":
		name, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("filename is %v, not a string", value)
		}
		return r.file(name)
	case "port_value":
		port, ok := value.(uint64)
		if !ok {
			return nil, fmt.Errorf("port_value is %v, not a number", value)
		}
		if other, ok := r.ports[int(port)]; ok {
			return other, nil
		}
	}
	return value, nil
}

// filterConfig visits the JSON document in a filter's configuration.
func (r *renderer) filterConfig(value any) (any, error) {
	configuration, _ := value.(map[string]any)
	text, ok := configuration["value"].(string)
	if !ok {
		return nil, fmt.Errorf("a filter's configuration is %v, not a StringValue", value)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, fmt.Errorf("a filter's configuration: %w", err)
	}
	if err := r.visit(document); err != nil {
		return nil, err
	}
	rendered, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("a filter's configuration: %w", err)
	}
	configuration["value"] = string(rendered)
	return configuration, nil
}

// file is where a file named in a configuration is on this machine.
func (r *renderer) file(name string) (string, error) {
	if cert, ok := strings.CutPrefix(name, certsFolder+"/"); ok {
		return filepath.Join(r.certs, cert), nil
	}
	if filter, ok := strings.CutPrefix(name, buildFolder+"/"); ok && strings.HasSuffix(filter, ".wasm") {
		return envoy.WasmFile(strings.TrimSuffix(filter, ".wasm"))
	}
	return "", fmt.Errorf("filename %q is neither in %s/ nor a filter in %s/", name, certsFolder, buildFolder)
}

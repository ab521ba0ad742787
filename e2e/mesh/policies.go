package mesh

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed policies/*.yaml
var policies embed.FS

// FlagshipPolicy is the database's authorization policy, as its author wrote
// it.
func FlagshipPolicy() string {
	text, err := policies.ReadFile("policies/authz-database.yaml")
	if err != nil {
		panic(err) // it is compiled in
	}
	return string(text)
}

// filterConfig is one of the policies as a filter's configuration, as JSON.
func filterConfig(name string) (string, error) {
	text, err := policies.ReadFile("policies/" + name + ".yaml")
	if err != nil {
		return "", fmt.Errorf("mesh: %w", err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "", fmt.Errorf("mesh: policy %s: %w", name, err)
	}
	if text, err = json.Marshal(document); err != nil {
		return "", fmt.Errorf("mesh: %w", err)
	}
	return string(text), nil
}

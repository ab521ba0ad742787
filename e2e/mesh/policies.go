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

// authzConfig is a service's configuration for authz-filter, as JSON.
func authzConfig(service string) (string, error) {
	document, err := policy("authz-" + service)
	if err != nil {
		return "", err
	}
	return encode(document)
}

// rateLimitConfig is the gateway's configuration for ratelimit-filter, as JSON.
func rateLimitConfig() (string, error) {
	document, err := policy("ratelimit-gateway")
	if err != nil {
		return "", err
	}
	return encode(document)
}

// jwtConfig is the configuration for jwt-filter, as JSON.
func jwtConfig() (string, error) {
	document, err := policy("jwt")
	if err != nil {
		return "", err
	}
	return encode(document)
}

func policy(name string) (map[string]any, error) {
	text, err := policies.ReadFile("policies/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("mesh: policy %s: %w", name, err)
	}
	return document, nil
}

func encode(document map[string]any) (string, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("mesh: %w", err)
	}
	return string(text), nil
}

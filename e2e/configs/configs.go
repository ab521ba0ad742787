// Package configs makes the configurations in envoy-configs/ ready to run, with
// throw-away certificates and keys.
package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
	"github.com/goccy/go-yaml"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/idp"
	"github.com/palisade-mesh/palisade/e2e/mesh"
)

// Folders that the configurations name, relative to the root of the module.
const (
	certsFolder = "build/certs"
	buildFolder = "build"
)

// Credentials are what it takes to run the configurations and to call them.
type Credentials struct {
	Dir string
	*mesh.Identities
	provider *idp.Provider
}

// Issue makes throw-away credentials and writes the certificates to dir.
func Issue(dir string) (*Credentials, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	identities, err := mesh.IssueIdentities(dir)
	if err != nil {
		return nil, err
	}
	provider, err := idp.New(mesh.Issuer)
	if err != nil {
		return nil, err
	}
	return &Credentials{Dir: dir, Identities: identities, provider: provider}, nil
}

// Token is a valid token of a user with these scopes.
func (c *Credentials) Token(scope string) (string, error) {
	return c.provider.Sign(jose.ES256, c.provider.Claims("alice", mesh.Audience, idp.Claims{"scope": scope}))
}

// Names are the configurations, without their folder.
func Names() ([]string, error) {
	root, err := envoy.ModuleRoot()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(root, "envoy-configs", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	if len(paths) == 0 {
		return nil, errors.New("configs: nothing in envoy-configs")
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return names, nil
}

// Render is a configuration with everything in it that differs from machine to
// machine: absolute file names, the issuer's keys, and other ports where ports
// has any (0 means any free one). Otherwise it is what the file says.
func (c *Credentials) Render(name string, ports map[int]int) (string, error) {
	root, err := envoy.ModuleRoot()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "envoy-configs", name))
	if err != nil {
		return "", fmt.Errorf("configs: %w", err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	r := &renderer{certs: c.Dir, keys: c.provider.JWKS(), ports: ports}
	if err := r.visit(document); err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	rendered, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	return string(rendered), nil
}

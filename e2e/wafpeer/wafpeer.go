// Package wafpeer configures coraza-proxy-wasm, which waf-filter is measured by and compared with, as far as that can be done to do
// what waf-filter does. Its module is build/bench/wafpeer.wasm (e2e/bench/wafpeer has its source).
//
// What stays different, because it is part of the module:
//
//   - Its rules are of Core Rule Set 4.14, ours of 4.25, which has 33 rules more and three less.
//   - Its engine is Coraza 3.3, ours 3.8. It has neither SecRequestBodyJsonDepthLimit nor ARGUMENTS_LIMIT_REACHED, so its
//     @recommended-conf has not the rules 200004 and 200005.
//   - It logs each rule that matches as an error of Envoy's; waf-filter writes a record of its decision at level info, unless audit.log is set.
package wafpeer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// Module is its name in the build folder.
const Module = "bench/wafpeer"

// Profile is the configuration for what waf-filter's profile crs-pl1 stands for, or that of another paranoia level.
func Profile(level int) (string, error) {
	directives, err := profile(level)
	if err != nil {
		return "", err
	}
	return Config(directives)
}

// Config is the configuration for one rule set.
func Config(directives []string) (string, error) {
	text, err := json.Marshal(map[string]any{
		"directives_map": map[string][]string{"default": directives}, "default_directives": "default",
	})
	return string(text), err
}

// profile are the directives of a profile, as waf-filter/README.md has them. @api-conf is a file of ours, so its text is in its place.
func profile(level int) ([]string, error) {
	root, err := envoy.ModuleRoot()
	if err != nil {
		return nil, err
	}
	api, err := os.ReadFile(filepath.Join(root, "waf-filter/waf/rules/api.conf"))
	if err != nil {
		return nil, err
	}
	return []string{
		"Include @recommended-conf",
		"SecRuleEngine On",
		"SecResponseBodyMimeType text/plain text/html text/xml application/json application/problem+json",
		"Include @crs-setup-conf",
		strings.TrimSpace(string(api)),
		fmt.Sprintf(`SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=%d"`, level),
		"Include @owasp_crs/*.conf",
	}, nil
}

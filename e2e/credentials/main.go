// Command credentials makes the configurations in envoy-configs/ ready to run:
// it writes throw-away certificates, two tokens, and copies of the
// configurations with the throw-away issuer's keys in them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/palisade-mesh/palisade/e2e/configs"
)

func main() {
	dir := "build/certs"
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if len(os.Args) > 2 || dir == "-h" || dir == "--help" {
		fmt.Fprintln(os.Stderr, "Usage: credentials [FOLDER]\n\nFOLDER is build/certs unless given.")
		os.Exit(2)
	}
	if err := write(dir); err != nil {
		fmt.Fprintln(os.Stderr, "credentials:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	credentials, err := configs.Issue(dir)
	if err != nil {
		return err
	}
	for file, scope := range map[string]string{"token-read": "read", "token-other": "profile"} {
		token, err := credentials.Token(scope)
		if err != nil {
			return err
		}
		if err := put(dir, file, token); err != nil {
			return err
		}
	}
	names, err := configs.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := credentials.Render(name, nil)
		if err != nil {
			return err
		}
		if err := put(dir, name, text); err != nil {
			return err
		}
	}
	fmt.Printf(`Written to %[1]s, good for a few hours (the tokens for five minutes). With an Envoy on %[1]s/sidecar-inbound.yaml:

  curl -i --cacert %[1]s/ca.crt --cert %[1]s/backend.crt --key %[1]s/backend.key \
    -H "Authorization: Bearer $(cat %[1]s/token-read)" https://127.0.0.1:15006/records/42
`, dir)
	return nil
}

func put(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

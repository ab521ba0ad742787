// Command palisade works with filter configurations outside a proxy.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"
)

func main() {
	if err := command().Run(context.Background(), os.Args); err != nil {
		// Mistakes in what was given have been reported where they stand.
		if !errors.Is(err, errMistakes) {
			fmt.Fprintln(os.Stderr, "palisade:", err)
		}
		os.Exit(1)
	}
}

func command() *cli.Command {
	return &cli.Command{
		Name:     "palisade",
		Usage:    "security policy for stock Envoy",
		Commands: []*cli.Command{checkCommand(), renderCommand()},
	}
}

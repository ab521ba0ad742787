package main

import (
	"context"
	"errors"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v3"

	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/serviceconfig"
)

func renderCommand() *cli.Command {
	return &cli.Command{
		Name:  "render",
		Usage: "write what others need to know of a configuration",
		Commands: []*cli.Command{{
			Name:      "ratelimit-service",
			Usage:     "the configuration of Envoy's rate limit service for the global limits of a ratelimit-filter",
			ArgsUsage: "FILE (YAML or JSON; - is standard input)",
			Action: func(_ context.Context, c *cli.Command) error {
				if c.Args().Len() != 1 {
					return errors.New("render ratelimit-service: name one file, or - for standard input")
				}
				return renderRateLimitService(c.Args().First(), c)
			},
		}},
	}
}

func renderRateLimitService(name string, c *cli.Command) error {
	source, err := read(name, c.Root().Reader)
	if err != nil {
		return err
	}
	document, err := yaml.YAMLToJSON(source)
	if err != nil {
		return check(c.Root().ErrWriter, name, source, decoders["ratelimit-filter"], false)
	}
	config, err := ratelimit.Decode(document)
	if err != nil { // said as check says it
		return check(c.Root().ErrWriter, name, source, decoders["ratelimit-filter"], false)
	}
	rendered, err := serviceconfig.YAML(config)
	if err != nil {
		return errors.New("render ratelimit-service: " + name + ": " + err.Error())
	}
	_, err = c.Root().Writer.Write(rendered)
	return err
}

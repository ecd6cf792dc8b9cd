{
    description = "Overrides in a set of their own, four spaces";

    inputs = {
        nixpkgs.url = "nixpkgs/nixos-25.11";

        home = {
            url = "github:acme/home/release-25.11";
            inputs = {
                nixpkgs.follows = "nixpkgs";
                utils.follows = "utils";
            };
        };

        utils = {
            url = "flake:flake-utils/main";
            inputs = { };
        };

        tools = {
            url = "git+https://git.acme.example/tools?dir=nix&ref=refs/heads/main";
            inputs = { nixpkgs.follows = "nixpkgs"; utils = { follows = "utils"; }; };
        };

        empty = {
            url = "github:acme/empty/main";
            inputs = {
                # nothing yet
            };
        };
    };

    outputs = { self, nixpkgs, home, utils, ... }: { };
}

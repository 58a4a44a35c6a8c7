"What trains, measures and exports a model; needs the extra `train`"

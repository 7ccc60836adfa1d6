namespace lrd {}
